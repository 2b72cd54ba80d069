"""Which test covers which fault: every case by its name, in one place.

Tests that stand beside what they test are named here and not repeated. A case that a real server,
signal, disk or process can show is shown by one.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

_TESTS = Path(__file__).parents[1]

CASES: dict[str, tuple[str, ...]] = {
    "1-3 one of four workers is killed: SQLite, journal, PostgreSQL": (
        "faults/test_workers.py::test_one_of_four_workers_is_killed",
        "search/test_kill.py::test_killed_trial_goes_on_from_its_last_rung",
        "search/test_postgres.py::test_trial_of_a_killed_worker_goes_on_from_its_last_rung",
    ),
    "4 killed before the first sign of life": (
        "search/test_kill.py::test_worker_killed_around_a_trial_leaves_nothing_behind",
        "storages/test_reaper.py::test_trial_without_a_stamp_is_reaped_by_its_age",
    ),
    "5 all workers die; resume": (
        "faults/test_workers.py::test_all_workers_are_killed_and_the_study_goes_on",
        "faults/test_storm.py::test_storm_of_faults_loses_nothing",
        "search/test_kill.py::test_storm_of_kills_loses_no_finished_trial",
    ),
    "6 parameters that kill every worker": (
        "search/test_kill.py::test_parameters_that_kill_every_worker_are_given_up",
        "faults/test_workers.py::"
        "test_command_goes_on_whatever_number_of_parameters_kill_their_workers",
        "storages/test_reaper.py::test_configuration_that_kills_every_worker_is_given_up",
    ),
    "7 worker frozen, given up, woken": (
        "faults/test_workers.py::test_frozen_worker_keeps_its_trial_on_its_own_host",
        "faults/test_workers.py::test_frozen_worker_that_was_given_up_drops_its_result",
    ),
    "8 SIGTERM, SIGINT and sys.exit in a trial": (
        "cli/test_worker.py::test_sigterm_ends_a_worker_and_frees_its_trial",
        "cli/test_interrupt.py::test_an_interrupted_study_is_gone_on_with",
        "faults/test_workers.py::test_exit_within_a_trial_leaves_none_running",
        "cli/test_signals.py::test_the_second_signal_ends_the_process_at_once",
    ),
    "9 eight workers start at one moment": (
        "faults/test_workers.py::"
        "test_eight_commands_start_at_one_moment_on_a_storage_that_is_not_there",
        "search/test_kill.py::"
        "test_commands_that_start_at_once_make_one_study_with_each_default_once",
    ),
    "10 two studies of one name": (
        "faults/test_workers.py::test_of_two_studies_of_one_name_the_second_is_refused",
        "cli/test_tune.py::test_other_settings_are_refused_with_their_difference",
    ),
    "11 SQLite locked by another writer": (
        "faults/test_storages.py::test_sqlite_that_another_program_locks_for_seconds_is_waited_for",
        "faults/test_storages.py::test_sqlite_that_stays_locked_is_named_and_no_trial_is_lost",
    ),
    "12 damaged end of a journal": (
        "storages/test_journal.py::test_journal_cut_at_any_byte_of_its_last_record_is_repaired",
        "storages/test_journal.py::test_unreadable_tail_is_moved_to_a_side_file",
        "storages/test_journal.py::test_open_storage_repairs_a_tail_before_its_next_write",
    ),
    "13 disk full while a storage is written": (
        "faults/test_storages.py::test_full_disk_ends_the_worker_with_its_cause",
        "storages/test_journal.py::test_full_disk_leaves_the_journal_whole",
    ),
    "14 disk full while exporting": (
        "export/test_write.py::test_a_full_disk_leaves_the_older_export",
        "export/test_write.py::test_a_disk_that_is_full_at_any_file_leaves_the_older_export",
    ),
    "15 stale lock of a journal": (
        "storages/test_journal.py::test_lock_of_a_killed_process_is_broken_in_seconds",
    ),
    "16 server restarts, or is gone at a start": (
        "search/test_postgres.py::test_server_that_restarts_during_a_study_is_survived",
        "search/test_postgres.py::test_server_that_restarts_while_a_trial_is_claimed_is_survived",
        "storages/test_postgres.py::test_outage_that_lasts_is_named",
        "faults/test_storages.py::test_worker_of_a_command_that_starts_in_an_outage_waits",
        "faults/test_storages.py::test_command_that_starts_in_an_outage_is_told_so",
    ),
    "17 storage broken, foreign, of another version, deleted, read-only": (
        "faults/test_storages.py::test_broken_storage_is_one_line_of_a_command",
        "storages/test_sqlite.py::test_failure_during_a_run_is_named",
        "storages/test_journal.py::test_journal_deleted_during_a_run_does_not_come_back",
        "storages/test_journal.py::test_read_only_storage_is_an_error",
        "storages/test_journal.py::test_file_in_place_of_the_folder_is_an_error",
    ),
    "18 value that is no finite number": (
        "search/test_worker.py::"
        "test_value_that_is_not_finite_fails_the_trial_and_the_search_goes_on",
        # In one task alone it is chance, by design, and not a failure.
        "evaluation/test_evaluate.py::"
        "test_a_diverged_episode_scores_as_chance_and_spares_the_others",
    ),
    "19 training diverges": (
        "faults/test_values.py::test_trials_whose_training_diverges_end_early",
        "learners/test_outer_loop.py::test_losses_that_are_not_finite_diverge",
        "export/test_write.py::test_weights_that_are_not_finite_are_not_exported",
    ),
    "20 every trial fails": (
        "faults/test_values.py::test_command_whose_every_trial_fails_says_why",
        "search/test_worker.py::test_search_in_which_every_trial_fails_names_the_top_reason",
    ),
    "21 search space changed on resume": (
        "search/test_study.py::test_changed_study_is_refused_with_a_difference",
        "storages/test_ledger.py::test_other_direction_is_refused",
        "test_tune.py::test_changed_space_is_refused_before_anything_is_made",
        "cli/test_priors.py::test_a_fork_runs_to_its_end",
    ),
    "22 first trials outside of the space": (
        "config/test_space.py::test_defaults_are_moved_into_the_space",
        "priors/test_spaces.py::test_what_is_dropped_is_listed",
        "priors/test_spaces.py::test_proposals_are_inside_the_target_space_and_repeat",
        "priors/test_files.py::test_a_truncated_file_is_refused",
        "priors/test_files.py::test_a_newer_file_asks_for_a_newer_autometa",
        "priors/test_files.py::test_a_damaged_source_is_refused",
        "priors/test_files.py::test_a_larger_file_than_allowed_is_not_written",
        "priors/test_files.py::test_merging_keeps_each_source_once",
        "faults/test_fuzz.py::test_no_prior_file_is_a_traceback",
    ),
    "23 OpenML fails, lies or is poisoned": (
        "tables/openml/test_faults.py::test_every_fault_is_overcome_or_told",
        "tables/openml/test_fetch.py::test_a_server_that_dies_costs_only_what_is_not_fetched_yet",
        "cli/test_openml.py::test_study_goes_on_with_the_tables_that_were_enough",
        "tables/test_files.py::test_tables_of_a_folder_that_cannot_be_used_are_skipped",
    ),
    "24 cold cache shared, download killed": (
        "tables/openml/test_fetch.py::test_processes_share_a_cold_cache",
        "tables/openml/test_fetch.py::test_killed_in_a_download_nothing_half_written_is_left",
        "tables/test_cache.py::test_an_entry_is_renamed_into_place_whole",
    ),
    "25 seeds: repeatable alone, distinct among workers": (
        "search/test_worker.py::test_same_seed_gives_identical_trials_at_once_or_in_pieces",
        "search/test_space.py::test_samplers_depend_on_seed_worker_and_number_of_proposals",
        "faults/test_workers.py::test_one_of_four_workers_is_killed",
    ),
    "26 out of time, out of memory": (
        "search/test_worker.py::test_trial_that_takes_too_long_is_given_up_within_a_step",
        "test_tune.py::test_seconds_are_for_the_whole_command",
        "faults/test_values.py::test_trial_that_needs_too_much_memory_fails_alone",
    ),
    "S1 code in exports, caches, checkpoints and study files": (
        "faults/test_security.py::test_no_code_of_a_cache_or_a_run_folder_is_run",
        "export/test_damaged_exports.py::test_a_pickle_in_place_of_the_weights_is_never_run",
        "export/test_damaged_exports.py::test_code_in_the_configuration_is_never_run",
        "config/test_yaml.py::test_what_surprises_is_refused",
    ),
    "S2 a database's password": (
        "cli/test_postgres.py::test_password_stays_between_the_environment_and_the_server",
        "storages/test_postgres.py::test_password_is_in_no_attribute_and_no_pickle",
        "search/test_postgres.py::test_processes_of_a_confirmation_are_sent_no_password",
    ),
    "S3 the dashboard": (
        "cli/test_dashboard.py::test_foreign_hosts_are_refused",
        "cli/test_dashboard.py::test_nothing_can_be_changed",
        "cli/test_dashboard.py::test_it_is_opened_to_a_name",
        "cli/test_entry.py::test_bad_input_is_one_line_and_leaves_nothing",
        "faults/test_security.py::test_scripts_in_a_study_are_inert_in_the_dashboard",
    ),
    "S4 names of studies": ("storages/test_ledger.py::test_unsafe_names_are_refused",),
    "S5 archives": ("faults/test_security.py::test_no_archive_is_unpacked",),
    "S6 bombs and huge files": (
        "config/test_yaml.py::test_an_alias_bomb_is_refused_at_once",
        "config/test_read.py::test_a_file_that_is_no_study_is_refused",
    ),
    "a lost task is run again, a surplus trial is asked for": (
        "cli/test_worker.py::test_a_worker_without_work_ends_at_once",
        "search/test_claim.py::test_last_trial_is_claimed_by_one_worker_alone",
    ),
}


@cache
def _names(file: str) -> frozenset[str]:
    tree = ast.parse((_TESTS / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("case", CASES)
def test_every_case_has_its_test(case: str) -> None:
    """What the table names is there, under that name."""
    named = [test.split("::") for test in CASES[case]]

    assert named
    assert [f"{file}::{name}" for file, name in named if name not in _names(file)] == []
