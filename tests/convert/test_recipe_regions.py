"""Boxes with plain operators, against those who define them: ONNX's RoiAlign, greedy suppression, and plain sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402
from torch import Tensor  # noqa: E402

from convert.recipes.regions import CANONICAL, LEAST_SIDE, anchors, covered, decoded, pooled, taken  # noqa: E402
from convert.sources.trial import Runner  # noqa: E402
from edge.detect.layouts import Candidates  # noqa: E402
from edge.detect.suppress import suppress  # noqa: E402

SHAPE = (64, 96)


def seeded(*shape: int, seed: int = 3) -> Tensor:
    noise: Tensor = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return noise


def boxes_within(count: int, seed: int = 5) -> Tensor:
    """x0, y0, x1, y1 in a picture of `SHAPE`."""
    random = torch.Generator().manual_seed(seed)
    edges = torch.rand(2, count, 2, generator=random) * torch.tensor([SHAPE[1], SHAPE[0]])
    found: Tensor = torch.cat((edges.amin(0), edges.amax(0)), -1)
    return found


def roi_align(x: Tensor, boxes: Tensor, cells: int, stride: int) -> np.ndarray:
    """ONNX's own operator in ONNX Runtime, as torchvision exports to it."""
    node = helper.make_node(
        "RoiAlign", ["x", "boxes", "batch"], ["y"], output_height=cells, output_width=cells, sampling_ratio=2,
        spatial_scale=1 / stride, coordinate_transformation_mode="output_half_pixel", mode="avg",
    )  # fmt: skip
    graph = helper.make_graph(
        [node],
        "roi_align",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape),
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, boxes.shape),
            helper.make_tensor_value_info("batch", TensorProto.INT64, [len(boxes)]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [len(boxes), x.shape[1], cells, cells])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    feed: dict[str, Any] = {"x": x.numpy(), "boxes": boxes.numpy(), "batch": np.zeros(len(boxes), np.int64)}
    return Runner(model.SerializeToString()).run(feed)["y"]


@pytest.mark.parametrize(("cells", "stride"), [(7, 4), (14, 4), (7, 16), (3, 8)])
def test_two_products_are_roi_align(cells: int, stride: int) -> None:
    x = seeded(1, 5, SHAPE[0] // stride, SHAPE[1] // stride)
    boxes = boxes_within(20)
    found = pooled([x], [stride], boxes[None], cells).numpy()
    assert np.abs(found - roi_align(x, boxes, cells, stride)).max() < 1e-5


def test_a_box_takes_the_level_of_its_size() -> None:
    """Up to 112 pixels of side that of stride 4, from there 8, from 224 on 16."""
    maps = [torch.full((1, 1, 512 // stride, 512 // stride), float(stride)) for stride in (4, 8, 16)]
    sides = torch.tensor([10.0, 111.0, CANONICAL / 2, 223.0, CANONICAL, 500.0])
    boxes = torch.stack((torch.zeros(6), torch.zeros(6), sides, sides), -1)
    found = pooled(maps, (4, 8, 16), boxes[None], 2)
    assert found.amin((1, 2, 3)).tolist() == pytest.approx([4, 4, 8, 8, 16, 16])
    assert found.amax((1, 2, 3)).tolist() == pytest.approx([4, 4, 8, 8, 16, 16])


def test_each_picture_of_a_batch_has_its_own_boxes() -> None:
    x, boxes = seeded(2, 3, 16, 24), torch.stack((boxes_within(4), boxes_within(4, seed=6)))
    both = pooled([x], [4], boxes, 7)
    alone = [pooled([x[i : i + 1]], [4], boxes[i : i + 1], 7) for i in range(2)]
    torch.testing.assert_close(both, torch.cat(alone))


def test_nothing_changes_without_changes() -> None:
    boxes = boxes_within(9)
    torch.testing.assert_close(decoded(boxes, torch.zeros(9, 4), (10.0, 10.0, 5.0, 5.0), SHAPE), boxes)


def test_boxes_move_by_shares_of_their_sides_and_stretch_around_the_middle() -> None:
    box = torch.tensor([[20.0, 10.0, 30.0, 30.0]])
    change = torch.tensor([[0.5, -0.25, np.log(2.0), np.log(0.5)]], dtype=torch.float32)
    found = decoded(box, change, (1.0, 1.0, 1.0, 1.0), SHAPE)
    assert found[0].tolist() == pytest.approx([20.0, 10.0, 40.0, 20.0])
    assert decoded(box, change * 5, (5.0, 5.0, 5.0, 5.0), SHAPE)[0].tolist() == pytest.approx(found[0].tolist())


def test_boxes_end_with_the_picture() -> None:
    found = decoded(boxes_within(50), 3 * seeded(50, 4), (1.0, 1.0, 1.0, 1.0), SHAPE)
    assert found.amin() == 0
    assert found[:, 2].amax() == SHAPE[1]
    assert found[:, 3].amax() == SHAPE[0]
    assert (found[:, 2:] >= found[:, :2]).all()


def test_what_fast_suppression_keeps_greedy_suppression_keeps_too() -> None:
    boxes = boxes_within(60)
    scores = torch.rand(60, generator=torch.Generator().manual_seed(1))
    kept = scores[covered(boxes, scores, 0.3) == 0].sort(descending=True).values
    rows = Candidates(
        boxes=boxes[:, [1, 0, 3, 2]].double().numpy(), scores=scores.double().numpy(), labels=np.zeros(60, np.intp)
    )
    greedy = suppress(rows, overlap=0.3, most=60).scores
    assert set(kept.double().tolist()) <= set(greedy.tolist())
    assert 3 < len(kept) <= len(greedy) < 60


def test_a_dropped_box_still_drops_others() -> None:
    """Each overlaps the next by a half; greedily the third would stay."""
    row = torch.tensor([[0.0, 0, 3, 1], [1.0, 0, 4, 1], [2.0, 0, 5, 1]])
    assert covered(row, torch.tensor([0.9, 0.8, 0.7]), 0.4).tolist() == [0, 1, 1]


def test_an_overlap_of_exactly_the_threshold_stays_and_an_empty_box_goes() -> None:
    row = torch.tensor([[0.0, 0, 3, 1], [1.0, 0, 4, 1], [8.0, 1, 8, 5], [9.0, 1, 9 + 2 * LEAST_SIDE, 2]])
    assert covered(row, torch.tensor([0.9, 0.8, 0.7, 0.6]), 0.5).tolist() == [0, 0, 1, 0]


def test_boxes_of_other_labels_cover_nothing() -> None:
    two = torch.stack((boxes_within(1), boxes_within(1)))
    assert covered(two, torch.tensor([[0.9], [0.1]]), 0.1).tolist() == [[0], [0]]


def test_anchors_are_those_of_torchvision() -> None:
    """Of side 32, as its AnchorGenerator gives them: rounded, around 0, ratios 0.5, 1 and 2."""
    found = anchors((2, 3), 32, 4)
    assert found.shape == (18, 4)
    assert found[:3].tolist() == [[-23, -11, 23, 11], [-16, -16, 16, 16], [-11, -23, 11, 23]]
    assert (found[3:6] - found[:3]).tolist() == [[4, 0, 4, 0]] * 3
    assert (found[9:12] - found[:3]).tolist() == [[0, 4, 0, 4]] * 3


def test_rows_are_taken_by_their_indices() -> None:
    rows = seeded(1, 5, 4)
    indices = torch.tensor([[4, 0], [2, 2]])
    found = taken(rows, indices)
    assert torch.equal(found[0], rows[0, [4, 0]])
    assert torch.equal(found[1], rows[0, [2, 2]])
