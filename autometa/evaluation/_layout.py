"""The rows of a score sheet as integer codes, the pairs of two methods, and means over them.

    R  rows    P  rows of one method, or pairs    T  tables    F  families    C  cells

A cell is a setting and a shot. Codes are made once per sheet, because data frames cost
milliseconds for what arrays do in microseconds, and a model card asks for a hundred means.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from autometa.typing import FloatArray, IntArray

_SAMPLE = ("role", "seed", "episode")


class Layout:
    """Which table, family, cell, method and episode each row of a sheet belongs to.

    Args:
        frame: the rows of a score sheet.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        column: dict[str, IntArray] = {}
        for name in ("table", "family", "setting", "shot", "method", *_SAMPLE):
            # Sorted, so that the order of families and tables is not that of the rows.
            column[name], values = pd.factorize(frame[name], sort=True)
            if name == "family":
                self._families = pd.Index(values, name="family")
            elif name == "setting":
                settings = list(values)
            elif name == "shot":
                shots = list(values)
            elif name == "method":
                self._method_of = {method: code for code, method in enumerate(values)}
        self._method_R = column["method"]
        self._cell_R, cell_keys = _combined(column["setting"], column["shot"])
        self._cells = [(settings[setting], int(shots[shot])) for setting, shot in cell_keys]
        self._table_R, table_keys = _combined(column["family"], column["table"])
        self._family_T = table_keys[:, 0]
        self._sample_R, _ = _combined(*(column[name] for name in _SAMPLE))
        self._episode_R, _ = _combined(self._table_R, self._cell_R, self._sample_R)

    def rows(self, method: str, *, setting: str | None, shot: int | None) -> IntArray:
        """Returns the rows (P,) of a method at a setting and a shot; None stands for all."""
        chosen_R = self._method_R == self._method_of.get(method, -1)
        if setting is not None or shot is not None:
            wanted_C = [
                setting in (None, cell[0]) and shot in (None, cell[1]) for cell in self._cells
            ]
            chosen_R &= np.array(wanted_C, dtype=bool)[self._cell_R]
        return np.flatnonzero(chosen_R)

    def cells_of(self, method: str) -> frozenset[int]:
        """Returns the codes of the cells in which a method has a score."""
        return frozenset(self._cell_R[self.rows(method, setting=None, shot=None)].tolist())

    def paired(self, rows_P: IntArray, other_P: IntArray) -> tuple[IntArray, IntArray]:
        """Returns the rows of two methods that are about the same episodes, side by side."""
        _, first_P, second_P = np.intersect1d(
            self._episode_R[rows_P],
            self._episode_R[other_P],
            assume_unique=True,
            return_indices=True,
        )
        return rows_P[first_P], other_P[second_P]

    def table_means(self, rows_P: IntArray, values_P: FloatArray) -> FloatArray:
        """Returns the mean of each table in each cell (T, C); NaN where it has no row."""
        shape = (len(self._family_T), len(self._cells))
        return _means(self._table_R[rows_P], self._cell_R[rows_P], values_P, shape)

    def family_means(
        self, rows_P: IntArray, values_P: FloatArray
    ) -> tuple[pd.Index[str], FloatArray]:
        """Returns families, and the mean of each one's tables in each cell (F, C).

        Families and cells without a row are left out; NaN where a family lacks a cell.
        """
        means_TC = self.table_means(rows_P, values_P)
        table_N, cell_N = np.nonzero(~np.isnan(means_TC))
        shape = (len(self._families), len(self._cells))
        means_FC = _means(self._family_T[table_N], cell_N, means_TC[table_N, cell_N], shape)
        has_FC = ~np.isnan(means_FC)
        kept_F = has_FC.any(axis=1)
        return self._families[kept_F], means_FC[kept_F][:, has_FC.any(axis=0)]

    def episodes_by_table(
        self, rows_P: IntArray, values_P: FloatArray
    ) -> tuple[list[FloatArray], list[float]]:
        """Returns the values of each table's episodes at each shot, and the weight of their mean.

        The weighted means add up to the mean over cells, families and tables. An episode that was
        scored in several settings is one value, the mean of its scores there: they are not
        independent, and resampling them apart would make intervals too narrow.
        """
        share_TC = self._shares(rows_P)
        table_P, cell_P = self._table_R[rows_P], self._cell_R[rows_P]
        groups: list[FloatArray] = []
        weights: list[float] = []
        for shot in sorted({shot for _, shot in self._cells}):
            cells = [code for code, cell in enumerate(self._cells) if cell[1] == shot]
            for table in np.flatnonzero((share_TC[:, cells] > 0).any(axis=1)):
                scored = [cell for cell in cells if share_TC[table, cell] > 0]
                of_cell = [np.flatnonzero((table_P == table) & (cell_P == c)) for c in scored]
                samples = [self._sample_R[rows_P[chosen]] for chosen in of_cell]
                # By episode, so that a sheet's order of rows does not change an interval.
                orders = [np.argsort(sample) for sample in samples]
                samples = [sample[order] for sample, order in zip(samples, orders, strict=True)]
                values = [
                    values_P[chosen][order] for chosen, order in zip(of_cell, orders, strict=True)
                ]
                shares = share_TC[table, scored]
                if all(np.array_equal(sample, samples[0]) for sample in samples):
                    groups.append(np.stack(values, axis=1) @ shares / shares.sum())
                    weights.append(float(shares.sum()))
                else:
                    groups += values
                    weights += shares.tolist()
        return groups, weights

    def _shares(self, rows_P: IntArray) -> FloatArray:
        """Returns the weight of each table's mean (T, C) in the mean of everything."""
        has_TC = np.zeros((len(self._family_T), len(self._cells)), dtype=bool)
        has_TC[self._table_R[rows_P], self._cell_R[rows_P]] = True
        tables_FC = np.zeros((len(self._families), len(self._cells)))
        np.add.at(tables_FC, self._family_T, has_TC)
        families_C = (tables_FC > 0).sum(axis=0)
        cells = (families_C > 0).sum()
        tables_TC = tables_FC[self._family_T]
        return np.where(has_TC, 1 / np.maximum(cells * families_C * tables_TC, 1), 0.0)


def _combined(*codes_R: IntArray) -> tuple[IntArray, IntArray]:
    """Returns one code per row for several, in their order, and the codes that each stands for."""
    keys, inverse_R = np.unique(np.stack(codes_R, axis=1), axis=0, return_inverse=True)
    return inverse_R.reshape(-1), keys


def _means(
    row_P: IntArray, column_P: IntArray, values_P: FloatArray, shape: tuple[int, int]
) -> FloatArray:
    """Returns the mean of the values that fall on each entry of a matrix; NaN where none does."""
    place_P = row_P * shape[1] + column_P
    sums = np.bincount(place_P, weights=values_P, minlength=shape[0] * shape[1])
    counts = np.bincount(place_P, minlength=shape[0] * shape[1])
    means = np.full(len(sums), np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means.reshape(shape)
