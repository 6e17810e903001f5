"""Each scene of the catalogue is there, says what it measures, and can be run."""

import importlib
import inspect
from pathlib import Path

import bench.scenes
import pytest
from bench.scenes.catalogue import BEYOND, LINES

FOLDER = Path(bench.scenes.__file__).parent
SHARED = {"__init__", "catalogue"}


@pytest.mark.parametrize("name", LINES + BEYOND)
def test_a_scene_says_what_it_measures_and_can_be_run(name: str) -> None:
    scene = importlib.import_module(f"bench.scenes.{name}")

    assert inspect.getdoc(scene)
    own = getattr(scene, "run_on_own_cluster", None)
    given = ["report", "rounds"] if own else ["report", "dsn", "rounds"]
    assert list(inspect.signature(own or scene.run).parameters)[:-1] == given


def test_each_file_is_in_the_catalogue() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} - SHARED == {*LINES, *BEYOND}
