"""log p(X|θ) and the bounds on it, drawn along a line and over a plane of θ, as a person meets them."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest

from explorer.studies.theta import POINTS, SIDES
from explorer.style.theme import theme
from tests.explorer.conftest import send_mouse
from tests.runs import saved_run

MOONS = {"components": 3}


@pytest.fixture
def opened(start, tmp_path):
    """Opens a run of a model with its bounds on top, and makes some steps: (program, panel)."""

    def begin(model="gmm", data="two-moons", values=MOONS, steps=0, backend=None):
        path = saved_run(tmp_path / f"{model}.safetensors", model, data, values, seed=1, backend=backend)
        program = start(path)
        program.wait_for_run()
        program.settle()
        panel = program.window.suited["bounds"]
        program.window.docks["bounds"].raise_()
        program.until(panel.isVisible)
        for _ in range(steps):
            step(program, panel)
        return program, panel

    return begin


def step(program, panel):
    """One step of EM, until its bound is drawn."""
    before = program.steps
    program.actions.step()
    program.until(lambda: program.steps == before + 1)
    program.until(lambda: panel.profile is not None and panel.profile.steps[-1] == before + 1)
    program.until(lambda: panel.profile.complete)


def rgb(colour):
    return np.array(QColor(colour).getRgb()[:3])


def has_colour(picture, colour, least=20):
    """Are there so many pixels of this colour?"""
    return (np.abs(picture - rgb(colour)).sum(2) < 24).sum() >= least


# -- along a line ----------------------------------------------------------------------------------


def test_before_the_first_step_there_is_a_sentence(opened):
    _, panel = opened()
    assert panel.profile is None
    assert panel.plot._empty.isVisible()
    assert "step of EM" in panel.plot._empty.text()


def test_each_step_draws_its_bound_which_touches_and_climbs(opened):
    program, panel = opened()
    tops = []
    for new in (1, 2, 3):
        step(program, panel)
        seen = panel.profile
        assert seen.steps == (new - 1, new)
        assert len(seen.positions) == POINTS
        for bound in seen.bounds:
            assert (bound.values <= seen.log_p + 1e-10).all()
        main = seen.bounds[seen.main]
        at, log_p, value = main.touch
        assert at == 0
        assert value == pytest.approx(log_p, rel=1e-10)
        assert main.top[0] == pytest.approx(1.0, abs=1e-3)  # the M-step is there
        tops.append(main.top[1])
        assert "gap 0.000" in panel.values.text()
    assert tops == sorted(tops)
    # log p at the ends is what the staircase has
    _, log_p = program.session.run.curves.get("half/log_likelihood")
    assert [value for _, value in seen.ends] == pytest.approx([log_p[-2], log_p[-1]], rel=1e-9)


def test_the_curve_is_over_the_bounds_on_the_screen(opened):
    program, panel = opened(steps=2)
    program.until(lambda: panel.profile is not None and panel.profile.complete)
    picture, tokens = program.pixels(panel.plot), theme().tokens
    seen = panel.profile
    main = seen.bounds[seen.main]
    i = int(np.argmax(seen.positions > 0.9))
    for values, colour in ((seen.log_p, tokens.curve(0)), (main.values, tokens.curve(1))):
        at = panel.plot.position(seen.positions[i], values[i])
        patch = picture[at.y() - 3 : at.y() + 4, at.x() - 1 : at.x() + 2]
        assert has_colour(patch, colour, least=1)
    for text in ("log p(X|θ)", "q at θ₁", "q at θ₀ and θ₂", "20 000 rows"):
        assert (
            text.replace(" 000", "\N{NARROW NO-BREAK SPACE}000")
            in program.window.docks["bounds"].status.text()
        )


def test_looking_back_shows_the_step_of_then(opened):
    program, panel = opened()
    for _ in range(3):
        step(program, panel)
    early = program.session.run.history.models[1]
    program.session.look_back(early)
    program.until(lambda: panel.profile.steps == (0, 1))
    program.session.look_back(None)
    program.until(lambda: panel.profile.steps == (2, 3))


@pytest.mark.parametrize("posterior", ["hard", "gradient"])
def test_a_restricted_q_leaves_a_gap(opened, posterior):
    program, panel = opened(values=MOONS | {"posterior": posterior}, steps=3)
    program.until(lambda: panel.profile is not None and panel.profile.complete)
    seen = panel.profile
    _, log_p, value = seen.bounds[seen.main].touch
    assert value < log_p - 1e-4
    gap = float(panel.values.text().split()[1].strip(","))
    assert gap == pytest.approx(log_p - value, abs=6e-4)
    assert gap > 0


@pytest.mark.parametrize("backend", ["exact", "pytorch"])
@pytest.mark.parametrize(
    ("model", "data", "values"),
    [
        ("bernoulli-mixture", "digits", {"components": 3}),
        ("ppca", "digits-grey", {"latent_dim": 2, "posterior": "diagonal"}),
        ("factor-analysis", "digits-grey", {"latent_dim": 2}),
    ],
)
def test_every_model_of_em_has_bounds(opened, model, data, values, backend):
    program, panel = opened(model, data, values, steps=2, backend=backend)
    program.until(lambda: panel.profile is not None and panel.profile.complete)
    seen = panel.profile
    for bound in seen.bounds:
        assert (bound.values <= seen.log_p + 1e-9).all()
    main = seen.bounds[seen.main]
    exact = "posterior" not in values
    assert (main.touch[1] - main.touch[2] < 1e-8) == exact


# -- what is chosen --------------------------------------------------------------------------------


def choose(program, box, text):
    """Choose an entry of a combo box, as from its list."""
    index = box.findText(text)
    assert index >= 0
    box.setCurrentIndex(index)
    box.activated.emit(index)


def test_a_parameter_is_chosen_by_typing_its_name(opened):
    program, panel = opened(steps=3)
    choose(program, panel.along, "One parameter")
    assert panel.parameter.isVisible()
    line = panel.parameter.lineEdit()
    line.setFocus()
    line.setText("μ₂[x1]")
    QTest.keyClick(line, Qt.Key.Key_Return)
    names = program.session.model.theta_names()
    assert program.session.state.bounds.parameter == names.index("μ₂[x1]")
    program.until(lambda: panel.profile is not None and panel.profile.complete)
    old = program.session.run.history.models[2]
    assert panel.profile.ends[0][0] == old.means[1, 0]
    assert panel.plot._item.getAxis("bottom").labelText == "μ₂[x1],  the others as in θ₂"
    line.setText("nothing")
    panel.plot.setFocus()
    assert line.text() == "μ₂[x1]"
    program.session.undo()
    assert panel.parameter.currentText() == "log π₁"


def test_from_the_first_to_the_newest(opened):
    program, panel = opened(steps=4)
    choose(program, panel.along, "The whole path")
    program.until(
        lambda: panel.profile is not None and panel.profile.complete and panel.profile.steps == (0, 4)
    )
    assert [b.step for b in panel.profile.bounds] == [0, 2, 4]
    program.click(panel.successive)
    program.until(lambda: panel.profile is not None and len(panel.profile.bounds) == 1)


# -- over a plane ----------------------------------------------------------------------------------


@pytest.fixture
def plane(opened):
    program, panel = opened(data="two-moons:3000", steps=5)
    program.click(panel.switch.buttons["plane"])
    program.until(lambda: panel.plane.shown is not None and panel.plane.shown.complete)
    return program, panel


def test_the_plane_holds_the_path_and_the_field_climbs_along_it(plane):
    program, panel = plane
    seen = panel.plane.shown
    assert seen.values.shape == (SIDES[-1], SIDES[-1])
    assert len(seen.path) == 6
    np.testing.assert_allclose(seen.path[-1], seen.here)
    picture = program.pixels(panel.plane)
    assert has_colour(picture, "#ffffff")  # the path
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100  # the field


def test_the_mouse_reads_the_likelihood_off_the_plane(plane):
    program, panel = plane
    model, x = program.session.model, program.session.run.data.train.x
    canvas, seen = panel.plane, panel.plane.shown
    at = canvas.mapFromScene(canvas.box.mapViewToScene(QPointF(*seen.here)))
    send_mouse(canvas.viewport(), QEvent.Type.MouseMove, at)
    program.until(lambda: panel.values.text().startswith("log p"))
    value = float(panel.values.text().split()[-1].replace("\N{MINUS SIGN}", "-"))
    assert value == pytest.approx(model.log_prob(x).mean(), abs=0.05)


def test_two_parameters_span_a_plane(plane):
    program, panel = plane
    choose(program, panel.planes, "Two parameters")
    choose(program, panel.first, "μ₁[x1]")
    choose(program, panel.second, "μ₁[x2]")
    program.until(lambda: panel.plane.shown is not None and panel.plane.shown.labels == ("μ₁[x1]", "μ₁[x2]"))
    np.testing.assert_allclose(panel.plane.shown.here, program.session.model.means[0])
    share = f"the plane holds {panel.plane.shown.share:.0%} of EM's path"
    assert share in program.window.docks["bounds"].status.text()
    choose(program, panel.first, "μ₁[x2]")  # the other gives way
    assert (panel.first.currentText(), panel.second.currentText()) == ("μ₁[x2]", "μ₁[x1]")
