"""The 80 kinds of things in COCO, in its order (https://cocodataset.org/#explore), and which boxes to keep of many."""

import numpy as np

LABELS = """
person · bicycle · car · motorcycle · airplane · bus · train · truck · boat · traffic light · fire hydrant · stop sign
parking meter · bench · bird · cat · dog · horse · sheep · cow · elephant · bear · zebra · giraffe · backpack · umbrella
handbag · tie · suitcase · frisbee · skis · snowboard · sports ball · kite · baseball bat · baseball glove · skateboard
surfboard · tennis racket · bottle · wine glass · cup · fork · knife · spoon · bowl · banana · apple · sandwich · orange
broccoli · carrot · hot dog · pizza · donut · cake · chair · couch · potted plant · bed · dining table · toilet · tv
laptop · mouse · remote · keyboard · cell phone · microwave · oven · toaster · sink · refrigerator · book · clock · vase
scissors · teddy bear · hair drier · toothbrush
"""
NAMES = [name.strip() for line in LABELS.strip().splitlines() for name in line.split("·")]


def kept(boxes: np.ndarray, scores: np.ndarray, overlap: float) -> list[int]:
    """Of boxes (n, 4) of one kind, the best of each heap that share more than `overlap`, best first."""
    left = list(np.argsort(-scores, kind="stable"))
    best = []
    while left:
        first = left.pop(0)
        best.append(int(first))
        left = [other for other in left if _shared(boxes[first], boxes[other]) <= overlap]
    return best


def _shared(one: np.ndarray, other: np.ndarray) -> float:
    """The area of both by the area of either."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    both = float(np.prod(np.clip(high - low, 0, None)))
    either = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - both
    return both / either if either else 0.0
