"""Few-shot episodes: tables and a seed become batches of tasks as dense tensors."""

from autometa.episodes._batch import EpisodeBatch as EpisodeBatch
from autometa.episodes._column_statistics import COLUMN_STATISTICS as COLUMN_STATISTICS
from autometa.episodes._episode import MIN_QUERIES as MIN_QUERIES
from autometa.episodes._episode import Episode as Episode
from autometa.episodes._episode import draw_episode as draw_episode
from autometa.episodes._episode import evaluation_episodes as evaluation_episodes
from autometa.episodes._episode import rows_by_class as rows_by_class
from autometa.episodes._inputs import EpisodeInputs as EpisodeInputs
from autometa.episodes._inputs import episode_inputs as episode_inputs
from autometa.episodes._inputs import scaled_inputs as scaled_inputs
from autometa.episodes._inputs import scaled_inputs_of as scaled_inputs_of
from autometa.episodes._inputs import unlabelled_rows as unlabelled_rows
from autometa.episodes._pack import assemble as assemble
from autometa.episodes._pack import pack as pack
from autometa.episodes._pack import principal_axes as principal_axes
from autometa.episodes._training import TrainingEpisodes as TrainingEpisodes

__all__ = [
    "COLUMN_STATISTICS",
    "MIN_QUERIES",
    "Episode",
    "EpisodeBatch",
    "EpisodeInputs",
    "TrainingEpisodes",
    "assemble",
    "draw_episode",
    "episode_inputs",
    "evaluation_episodes",
    "pack",
    "principal_axes",
    "rows_by_class",
    "scaled_inputs",
    "scaled_inputs_of",
    "unlabelled_rows",
]
