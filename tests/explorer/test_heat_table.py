"""A table of counts: numbers where there is room for them, and else none."""

import numpy as np
import pytest

from explorer.style import theme as themes
from explorer.widgets.heat_table import HeatTable
from tests.explorer.conftest import grab


@pytest.mark.parametrize(("wide", "written"), [(400, True), (110, True), (84, False)])
def test_half_of_a_number_is_never_written(qtbot, qapp, wide, written):
    themes.apply(qapp)
    table = HeatTable("Labels and clusters")
    qtbot.addWidget(table)
    table.resize(wide, 120)
    table.set_counts(np.array([[3390, 22, 1], [8, 4350, 9]]), ("a", "b"), ("1", "2", "3"))
    table.show()
    qtbot.waitExposed(table)
    picture = grab(table)
    cell = table.cell(0, 0)
    inside = picture[cell.top() + 1 : cell.bottom() - 1, cell.left() : cell.right() - 1]
    edge = inside[:, [0, -1]]
    assert (np.ptp(inside.reshape(-1, inside.shape[-1]), axis=0).any()) == written
    assert not np.ptp(edge.reshape(-1, edge.shape[-1]), axis=0).any()
