"""What an outer step of meta-training costs, beside other implementations of the same step.

Fixed before the runs:

- MAML on a ReLU network of 32 inputs, 5 ways, 5 shots and 15 queries per class; hidden layers (16),
  (64, 64) and (256, 256, 256); 1 and 5 inner steps; 4, 16 and 32 tasks; first and second order.
- Contenders: the hand-written plan of autometa, a per-task loop in PyTorch, autograd over weights
  with a task axis, ``torch.func.vmap``, TorchOpt, higher and learn2learn. Those that are not
  installed are left out, and said to be.
- First each must agree with the per-task loop in float64, in loss and gradient, to 1e-8; without
  that nothing is timed.
- Then float32 on one thread, process CPU time of loss, gradient and one step of Adam: five rounds,
  in each of which every contender runs for a slice of 0.15 s or one step. Reported are the medians,
  the floor (the matrix products that cannot be left out, at the peak of sgemm, which is measured in
  the same rounds), and the share of that peak that each reaches.
- Targets, as the lowest ratio of medians over the cells that they cover, second order: learn2learn
  takes at least 9 times as long as autometa at (64, 64) with 16 and 32 tasks, 6.5 times with 4, and
  1.7 times at (256, 256, 256); the per-task loop 8, 4 and 1.5 times.

The recommended learner, ``column_kernel``, head alone and head+scales, with a head that descends
and without a gate, as the reference has it (parts and growth are those of the default):

- Written-out inner loops must agree with recorded ones in float64 to 1e-10, in loss and gradients.
- ms per outer step, episodes included, of autometa, of the same learner recorded by autograd, and
  of another implementation that ``--reference DIR`` gives (see ``kernel_reference.py``), whose
  losses at equal weights are compared first. Batches are the same for all candidates of a study, so
  that a worker draws them once: a tenth of the drawing counts for each of ten candidates, and all
  of it for the first.
- Target: at least 3 times the outer steps per second of the reference.
- The step split into its parts, and its cost as columns, support rows, width, steps and tasks grow.

``--check`` exits with 1 where a target is missed; a target against a library that is absent is
"not measured", which is no failure. The peers are no dependencies of autometa (``optree`` and
``graphviz`` are what TorchOpt needs; learn2learn has to be made anew with Cython 3, and its imports
of gym and torchvision, which MAML does not need, are replaced by stand-ins):

    pip install -c constraints.txt matplotlib optree graphviz cython setuptools
    pip install --no-deps higher torchopt
    pip download --no-deps --no-build-isolation --no-binary :all: learn2learn==0.2.0
    tar xf learn2learn-0.2.0.tar.gz && cd learn2learn-0.2.0 && rm -r .eggs learn2learn/data/*.c
    python setup.py build_ext bdist_wheel && pip install --no-deps dist/*.whl

    OMP_NUM_THREADS=1 python studies/benchmarks/meta_training.py --tables DIR --check
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from benchmark_page import RESULTS, machine, summary
from kernel_section import kernel_section
from maml_section import maml_section
from maml_speed import DisagreementError
from training_page import Section, draw, page


def sections_of(options: argparse.Namespace) -> list[Section]:
    """Measures the parts of the benchmark, in the order of the page."""
    return [
        maml_section(options.quick),
        kernel_section(is_quick=options.quick, tables=options.tables, reference=options.reference),
    ]


def parse_arguments() -> argparse.Namespace:
    """Returns the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only the cells that have targets")
    parser.add_argument("--tables", type=Path, help="folder of real tables with an index.csv")
    parser.add_argument("--reference", type=Path, help="folder of another implementation")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--png", type=Path, help="write the picture here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    options = parser.parse_args()
    if not options.quick:
        options.json = options.json or RESULTS / "meta_training.json"
        options.png = options.png or RESULTS / "meta_training.png"
    return options


def main() -> int:
    """Runs the benchmark; returns the exit code."""
    options = parse_arguments()
    torch.set_num_threads(1)
    try:
        sections = sections_of(options)
    except DisagreementError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    text = page(sections)
    if not options.quick:
        (RESULTS / "meta_training.md").write_text(text)
    if options.json is not None:
        found = {"machine": machine(), **{section.key: section.figures for section in sections}}
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    print(text)
    missing_picture = draw(sections, options.png) if options.png is not None else None
    if missing_picture is not None:
        print(missing_picture)
    targets = [target for section in sections for target in section.targets]
    print(summary(targets))
    return 1 if options.check and any(target.is_missed for target in targets) else 0


if __name__ == "__main__":
    sys.exit(main())
