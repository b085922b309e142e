"""Projects compiled once for all tests: g++ takes seconds for each."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from hwsr.hls import csim
from hwsr.hls.project import write_project
from hwsr.reference.run import run
from tests.hls.hls_graphs import BUILDS, tiles_for


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Adder graphs are found anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Name -> (graph, project), each compiled."""
    folder = tmp_path_factory.mktemp("projects")
    made = {}
    for name, (net, backend, reuse) in BUILDS.items():
        graph = net()
        project = write_project(
            graph, folder / name, tiles_for(graph, 2), lambda t, g=graph: run(g, t), backend, reuse_factor=reuse
        )
        made[name] = graph, project
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(csim.build, [project for _, project in made.values()]))
    return made


@pytest.fixture
def tiny(built):
    return built["tiny"]
