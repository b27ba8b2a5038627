"""A data set on a cluster of two machines: both work, and one may go."""

import pytest

from tests.executors.test_chaos import in_a_process_of_its_own

pytestmark = [pytest.mark.ray, pytest.mark.slow]

TWO = """
import ray
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args=dict(num_cpus=2, include_dashboard=False))
second = cluster.add_node(num_cpus=2)
ray.init(address=cluster.address, log_to_driver=False)
executor = RayExecutor()
step = "{use: 'tests.dataset.nodes:Place', in: {text: text}, replicas: {min: 2, max: 2}, resources: {cpus: 0.5}, with: {seconds: %s}}"
text = "inputs: {text: text}\\nnodes: {a: %s, b: %s}\\noutputs: {a: a, b: b}" % (step % 0.05, step % 0.04)
results = studio.load(text, nodes=fakes.ALL).map([{"text": f"t{n}"} for n in range(120)], options={"executor": executor, "cache": False})
told = []
for each in results:
    told.append([each.get("a"), each.get("b"), each.error])
    if len(told) == LOST:
        cluster.remove_node(second, allow_graceful=False)
executor.close()
ray.shutdown()
cluster.shutdown()
"""


@pytest.mark.parametrize("lost", [0, 20])
def test_both_machines_work(lost):
    """If one is lost, what was on it is done again on the other."""
    told = in_a_process_of_its_own(TWO.replace("LOST", str(lost)))
    assert [error for _, _, error in told if error] == []
    for place in (0, 1):
        assert [each[place].split()[0] for each in told] == [f"t{n}" for n in range(120)]
    assert len(places(told)) == 2
    assert not lost or len(places(told[100:])) == 1


def places(told) -> set[str]:
    return {text.split()[1] for each in told for text in each[:2]}
