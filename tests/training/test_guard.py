"""The guard of GRPO: what it finds in logged rows."""

import math

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from fastmath.recipe.grpo import GuardSettings
from fastmath.training.findings import read_findings
from fastmath.training.guard import Guard, Row, judge_rows

SETTINGS = GuardSettings(window=2)


def rows_of(name: str, values: list[float | None], **others: float) -> list[Row]:
    return [{"step": step, name: value, **others} for step, value in enumerate(values)]


def find(name: str, values: list[float | None], settings: GuardSettings = SETTINGS, **others: float) -> list[str]:
    found = judge_rows(rows_of(name, values, **others), settings)
    return [f"{finding.level} {finding.signal}" for finding in found]


def test_a_validation_far_below_the_best_ends_the_training():
    # 0.84 - 0.73 = 0.11, at least 0.1
    assert find("validation/pass@1", [0.80, 0.84, 0.73]) == ["stop validation"]


def test_a_validation_a_little_below_the_best_is_a_warning():
    # 0.84 - 0.78 = 0.06, at least 0.05
    assert find("validation/pass@1", [0.80, 0.84, 0.78]) == ["warn validation"]


def test_a_validation_that_rises_is_nothing():
    assert find("validation/pass@1", [0.1, 0.5, 0.84, 0.82]) == []


def test_the_message_says_how_far_it_fell():
    finding = judge_rows(rows_of("validation/pass@1", [0.84, 0.73]), SETTINGS)[0]
    assert finding.message == "the validation's pass@1 is 0.110 below its best so far"
    assert finding.step == 1


def test_right_rollouts_are_compared_by_windows():
    # windows of two: 0.7, 0.6, 0.35; the last is 0.35 below the best
    assert find("judge/correct", [0.7, 0.7, 0.5, 0.2]) == ["stop correct"]
    # a single bad step between good ones: windows 0.7, 0.5, 0.5, 0.7
    assert find("judge/correct", [0.7, 0.7, 0.3, 0.7, 0.7]) == []


def test_the_reward_is_measured_in_its_own_deviations():
    # windows 1.0 and -0.5 (0.0, -1.0), 1.5 below, of a deviation of 1.2: 1.25
    assert find("reward", [1.0, 1.0, 0.0, -1.0], reward_std=1.2) == ["stop reward"]
    assert find("reward", [1.0, 1.0, 0.0, -1.0], reward_std=4.0) == []


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("kl", [0.0, 0.1, 6.0, 6.0], "stop kl"),
        ("kl", [0.0, 0.1, 1.5, 1.5], "warn kl"),
        ("completions/mean_length", [50, 50, 70, 70], "warn length"),  # 1.4 times
        ("completions/mean_length", [50, 50, 110, 110], "stop length"),  # 2.2 times
        ("completions/clipped_ratio", [0.1, 0.1, 0.5, 0.5], "stop clipped"),  # 0.4 more
        ("entropy", [0.1, 0.1, 0.6, 0.6], "stop entropy"),  # 6 times
        ("groups/without_spread", [0.2, 1.0, 1.0], "stop flat"),
        ("groups/without_spread", [0.2, 0.8, 0.9], "warn flat"),
        ("sampling/log_ratio/mean", [0.0, -0.2, -0.2], "stop log_ratio"),
    ],
)
def test_every_signal_has_limits(name: str, values: list[float], found: str):
    assert find(name, values) == [found]


def test_brevity_is_no_fault():
    assert find("completions/mean_length", [190, 190, 60, 40]) == []


def test_a_loss_that_is_no_number_ends_the_training():
    assert find("loss", [0.1, math.nan]) == ["stop finite"]
    assert find("grad_norm", [0.1, math.inf]) == ["stop finite"]


def test_a_signal_that_is_not_logged_finds_nothing():
    assert find("loss", [0.1, 0.2, 0.3]) == []
    assert find("kl", [None, None, None]) == []


def test_a_limit_of_none_is_never_reached():
    settings = GuardSettings(window=1, validation={"warn": None, "stop": None})
    assert find("validation/pass@1", [0.9, 0.0], settings) == []


class Training:
    """The callback on rows, as a trainer calls it."""

    def __init__(self, folder) -> None:
        self.guard = Guard(folder, SETTINGS)
        self.arguments = TrainingArguments(output_dir=str(folder / "checkpoints"), use_cpu=True)
        self.state = TrainerState(max_steps=10)
        self.control = TrainerControl()
        self.guard.on_train_begin(self.arguments, self.state, self.control)

    def log(self, **figures: float) -> bool:
        self.state.global_step += 1
        self.guard.on_log(self.arguments, self.state, self.control, figures)
        return self.control.should_training_stop


def test_the_training_ends_at_the_first_stop_and_the_reason_is_written_down(tmp_path):
    training = Training(tmp_path)
    assert not training.log(**{"validation/pass@1": 0.8})
    assert not training.log(**{"validation/pass@1": 0.74})
    assert training.log(**{"validation/pass@1": 0.6})
    assert [(each.step, each.level, each.signal) for each in read_findings(tmp_path)] == [
        (2, "warn", "validation"),
        (3, "stop", "validation"),
    ]


def test_a_warning_that_stays_is_written_once_and_again_when_it_comes_back(tmp_path):
    training = Training(tmp_path)
    for value in (0.8, 0.74, 0.74, 0.8, 0.74):
        training.log(**{"validation/pass@1": value})
    assert [each.step for each in read_findings(tmp_path)] == [2, 5]


def test_a_resumed_training_is_judged_by_the_rows_before_it(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 1, "validation/pass@1": 0.9}\n{"step": 2, "validation/pass@1": 0.85}\n'
        '{"step": 3, "validation/pass@1": 0.1}\n'
    )
    training = Training(tmp_path)
    training.state.global_step = 2
    training.guard.on_train_begin(training.arguments, training.state, training.control)
    # step 3 was lost with its checkpoint; 0.9 - 0.7 = 0.2
    assert training.log(**{"validation/pass@1": 0.7})
