"""A data set on a cluster of two machines: both work, and one may go."""

import pytest

from tests.executors.test_chaos import in_a_process_of_its_own

pytestmark = [pytest.mark.ray, pytest.mark.slow]

MORE = 100  # rows after both machines were seen to work; what is on its way when one is lost is less

TWO = """
import ray
from ray.cluster_utils import Cluster
from tests.dataset.test_cluster import MORE, places
cluster = Cluster(initialize_head=True, head_node_args=dict(num_cpus=2, include_dashboard=False))
second = cluster.add_node(num_cpus=2)
ray.init(address=cluster.address, log_to_driver=False)
executor = RayExecutor()
step = "{use: 'tests.support.dataset_nodes:Place', in: {text: text}, replicas: {min: 2, max: 2}, resources: {cpus: 0.5}, with: {seconds: %s}}"
text = "inputs: {text: text}\\nnodes: {a: %s, b: %s}\\noutputs: {a: a, b: b}" % (step % 0.05, step % 0.04)
told = []

def rows():
    left = MORE
    for n in range(1000):
        left -= both
        if left < 0:
            return
        yield {"text": f"t{n}"}

both = False
graph = studio.load(text, nodes=fakes.ALL)
for each in graph.map(rows(), options={"executor": executor, "cache": False, "window": MORE // 4}):
    told.append([each.get("a"), each.get("b"), each.error])
    if not both and len(places(told)) == 2:
        both = True
        if LOSE:
            cluster.remove_node(second, allow_graceful=False)
executor.close()
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.parametrize("lose", [False, True])
def test_both_machines_work(lose):
    """If one is lost, what was on it is done again on the other. How soon a machine begins is its own affair."""
    told = in_a_process_of_its_own(TWO.replace("LOSE", str(lose)))
    assert [error for _, _, error in told if error] == []
    for place in (0, 1):
        assert [each[place].split()[0] for each in told] == [f"t{n}" for n in range(len(told))]
    assert len(places(told)) == 2
    assert not lose or len(places(told[-MORE // 4 :])) == 1


def places(told) -> set[str]:
    return {text.split()[1] for each in told for text in each[:2]}
