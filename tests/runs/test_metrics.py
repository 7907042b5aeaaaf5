"""Files of one JSON object a line, while they grow."""

from fastmath.runs.metrics import MetricsTail, read_metrics


def test_metrics_are_read_one_object_a_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 2.0}\n\n{"step": 2, "loss": 1.0}\n')
    assert read_metrics(path) == [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]


def test_half_a_line_is_read_once_it_is_whole(tmp_path):
    path = tmp_path / "metrics.jsonl"
    tail = MetricsTail(path)
    assert list(tail.read_new()) == []
    path.write_text('{"step": 1}\n{"st')
    assert list(tail.read_new()) == [{"step": 1}]
    path.write_text('{"step": 1}\n{"step": 2}\n')
    assert list(tail.read_new()) == [{"step": 2}]


def test_a_file_that_was_cut_is_read_from_its_beginning(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n')
    tail = MetricsTail(path, from_end=True)
    assert list(tail.read_new()) == []
    path.write_text('{"step": 1}\n')  # a run that goes on from step 1
    assert list(tail.read_new()) == [{"step": 1}]


def test_nan_and_infinity_are_read_as_none(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": NaN, "grad_norm": Infinity}\n')
    assert read_metrics(path) == [{"step": 1, "loss": None, "grad_norm": None}]
