r"""Rewards: their formulas, TRL's calling convention, and the published code's defects that ours must not have."""

import math
import pickle
import re
import time
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastmath.answers.verifier import Verifier
from fastmath.answers.verify import verify
from fastmath.nano.model import train_tokenizer
from fastmath.recipe.errors import SettingsError
from fastmath.recipe.grpo import RewardSettings
from fastmath.training.judge import Judge
from fastmath.training.rewards import Reward, build_rewards

VERIFIER = Verifier(workers=1)
"""One for the module: it starts its process with the first answer that exact rules do not decide."""

RIGHT = "(1) 3+4=7\nSo \\boxed{7}.\n</think>"
WRONG = "(1) 3+4=8\nSo \\boxed{8}.\n</think>"
UNFINISHED = "(1) 3+4=7\nSo \\boxed{7}. wait"


def build(name: str, num_generations: int = 1, **parameters: object) -> Reward:
    return build_rewards([RewardSettings(name=name, parameters=parameters)], num_generations, Judge(VERIFIER))[0]


def call(
    reward: Reward, completions: list[str], lengths: list[int] | None = None, gold: str = "7"
) -> list[float | None]:
    lengths = lengths or [10] * len(completions)
    return reward(
        prompts=["3+4?"] * len(completions),
        completions=completions,
        completion_ids=[[0] * length for length in lengths],
        answer=[gold] * len(completions),
        trainer_state=None,
        log_extra=None,
        log_metric=None,
        source=["nano"] * len(completions),
    )


@pytest.mark.parametrize(
    ("completion", "reward"),
    [(RIGHT, 1.0), (WRONG, 1.0), (UNFINISHED, 0.0), ("so 7.\n</think>\\boxed{7}", 0.0), ("\\boxed{}</think>", 0.0)],
)
def test_format_wants_a_filled_box_before_the_end_of_reasoning(completion: str, reward: float) -> None:
    assert call(build("boxed_before_think_end"), [completion]) == [reward]


@pytest.mark.parametrize(
    ("completion", "length", "reward"),
    [
        (RIGHT, 0, 1.0),
        (RIGHT, 50, 0.55),  # 0.1 + 0.9 · (1 + cos(π/2)) / 2
        (RIGHT, 100, 0.1),
        (RIGHT, 200, 0.1),  # clipped
        (WRONG, 0, -1.0),
        (WRONG, 50, -0.55),  # -0.1 - 0.9 · (1 + cos(π/2)) / 2
        (WRONG, 100, -0.1),
        (UNFINISHED, 100, -0.1),
    ],
)
def test_cosine_runs_between_its_four_corners(completion: str, length: int, reward: float) -> None:
    reward_function = build("cosine", max_length=100)
    ids = [[0] * length]
    assert reward_function(completions=[completion], completion_ids=ids, answer=["7"]) == [pytest.approx(reward)]


@settings(deadline=None)
@given(st.lists(st.integers(0, 200), min_size=2, max_size=2).map(sorted))
def test_cosine_prefers_short_right_and_long_wrong_answers(lengths: list[int]) -> None:
    reward = build("cosine", max_length=100)
    completions = [RIGHT, RIGHT, WRONG, WRONG]
    ids = [[0] * length for length in lengths * 2]
    right_short, right_long, wrong_short, wrong_long = reward(
        completions=completions, completion_ids=ids, answer=["7"] * 4
    )
    assert 1 >= right_short >= right_long >= 0.1 - 1e-9
    assert -1 <= wrong_short <= wrong_long <= -0.1 + 1e-9


def test_group_length_ranks_the_group_of_one_prompt() -> None:
    # 0.5 - (10-10)/20, 0.5 - (20-10)/20, 0.5 - (30-10)/20; the wrong one of 10 tokens gets min(0, 0.5)
    reward = build("group_length", num_generations=4)
    assert call(reward, [RIGHT, RIGHT, RIGHT, WRONG], [10, 20, 30, 10]) == [0.5, 0.0, -0.5, 0.0]


def test_group_length_of_equal_lengths_is_zero() -> None:
    assert call(build("group_length", num_generations=2), [RIGHT, WRONG], [20, 20]) == [0.0, 0.0]


def test_group_length_refuses_a_batch_that_does_not_divide() -> None:
    with pytest.raises(ValueError, match=r"3 completions .* groups of 2; set `per_device_train_batch_size`"):
        call(build("group_length", num_generations=2), [RIGHT] * 3, [1, 2, 3])


@settings(deadline=None)
@given(st.lists(st.integers(1, 500), min_size=4, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4))
def test_group_length_is_bounded_and_never_rewards_a_wrong_answer(lengths: list[int], correct: list[bool]) -> None:
    completions = [RIGHT if right else WRONG for right in correct]
    rewards = call(build("group_length", num_generations=4), completions, lengths)
    assert all(-0.5 <= reward <= 0.5 and (right or reward <= 0) for reward, right in zip(rewards, correct, strict=True))


def test_accuracy_is_one_for_the_right_answer() -> None:
    assert call(build("accuracy"), [RIGHT, WRONG, UNFINISHED]) == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("tokens", "reward"),
    [(80, 0.0), (81, -0.05), (90, -0.5), (100, -1.0), (101, -1.0)],  # (100 - 20 - 81) / 20 = -0.05
)
def test_soft_overlong_charges_the_last_tokens_before_the_limit(tokens: int, reward: float) -> None:
    assert call(build("soft_overlong", max_length=100, margin=20), [RIGHT], [tokens]) == [pytest.approx(reward)]


@pytest.mark.parametrize(
    ("ids", "reward"),
    [
        ([1, 2, 3, 4], 0.0),
        ([5, 5, 5, 5, 5], -0.75),  # four pairs, one of them unique: (1 - 1/4) * -1
        ([1, 2, 1, 2], -1 / 3),  # (1,2) (2,1) (1,2): (1 - 2/3) * -1
        ([1], 0.0),
    ],
)
def test_repetition_charges_the_share_of_ngrams_that_stood_before(ids: list[int], reward: float) -> None:
    repetition = build("repetition", ngram_size=2)
    assert repetition(completions=[RIGHT], completion_ids=[ids], answer=["7"]) == [pytest.approx(reward)]


def test_what_the_workers_cannot_judge_in_time_gets_no_reward_and_is_counted_by_reason() -> None:
    integral = r"\int_0^1 \frac{\sin(x^x)}{\ln(x+1)^{x}}dx"
    metrics: dict[str, float] = {}
    rewards = build("accuracy")(
        completions=[rf"So \boxed{{{answer}}}.</think>" for answer in (integral, r"\sqrt{7}")],
        completion_ids=[[0]] * 2,
        answer=[r"\sqrt{7}"] * 2,
        log_metric=metrics.__setitem__,
    )
    assert rewards == [None, 1.0]
    assert metrics["judge/cannot_judge/cpu_time"] == 0.5


def test_what_the_workers_cannot_judge_in_time_is_wrong_beside_an_integer() -> None:
    integral = r"\int_0^1 \frac{\sin(x^x)}{\ln(x+1)^{x}}dx"
    assert call(build("accuracy"), [rf"So \boxed{{{integral}}}.</think>"]) == [0.0]


def test_conversational_completions_are_read_like_plain_ones() -> None:
    conversation = [[{"role": "assistant", "content": text}] for text in (RIGHT, WRONG)]
    assert call(build("accuracy"), conversation) == call(build("accuracy"), [RIGHT, WRONG])


def test_the_end_of_reasoning_survives_the_decoding_that_trl_does() -> None:
    tokenizer = train_tokenizer([RIGHT, WRONG] * 50)
    ids = [*tokenizer(RIGHT)["input_ids"], tokenizer.eos_token_id]
    assert call(build("boxed_before_think_end"), tokenizer.batch_decode([ids], skip_special_tokens=True)) == [1.0]


def test_rewards_survive_pickling_and_keep_sharing_their_judge() -> None:
    named = [RewardSettings(name="accuracy"), RewardSettings(name="cosine", parameters={"max_length": 10})]
    first, second = pickle.loads(pickle.dumps(build_rewards(named, 2)))
    assert first.judge is second.judge
    assert call(first, [RIGHT]) == [1.0]


def test_a_reward_is_logged_under_its_configured_name() -> None:
    names = ["boxed_before_think_end", "group_length", "accuracy"]
    assert [reward.__name__ for reward in build_rewards([RewardSettings(name=name) for name in names], 2)] == names


def test_what_cannot_be_judged_is_counted() -> None:
    metrics: dict[str, float] = {}
    build("accuracy")(
        completions=[RIGHT, RIGHT, UNFINISHED, WRONG],
        completion_ids=[[0]] * 4,
        answer=["7", "???", "7", "7"],
        log_metric=metrics.__setitem__,
    )
    # one of four has no usable reference, one of four is cut off, one of the three judged is right
    assert metrics == {
        "judge/cannot_judge": 0.25,
        "judge/cannot_judge/reference": 0.25,
        "judge/unfinished": 0.25,
        "judge/correct": pytest.approx(1 / 3),
    }


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("cosin", {}, "there is no reward 'cosin'; did you mean 'cosine'"),
        ("cosine", {"max_len": 10}, "no parameter 'max_len'; did you mean 'max_length'"),
        ("cosine", {}, "wants 'max_length'"),
        ("cosine", {"max_length": 0}, "`max_length` is 0; want a positive number of tokens"),
        ("accuracy", {"unit": "tokens"}, "no parameter 'unit'"),
        ("soft_overlong", {"max_length": 10, "margin": 11}, "`margin` is 11; want 1 to `max_length`, 10 tokens"),
        ("repetition", {"max_penalty": 1.0}, "`max_penalty` 1.0; want at least 1 and at most 0"),
        ("group_length", {"num_generations": 8}, "no parameter 'num_generations'"),
    ],
)
def test_wrong_settings_are_refused_with_the_nearest_valid_name(name: str, parameters: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        build_rewards([RewardSettings(name=name, parameters=parameters)], 2)


# What goes wrong in the published code, each as what ours does.


def test_an_empty_box_earns_no_format_reward() -> None:
    assert call(build("boxed_before_think_end"), ["so \\boxed{}.\n</think>"]) == [0.0]


def test_the_format_reward_takes_linear_time() -> None:
    # Ten times the boxes, about ten times as long; a pattern that backtracks would take a hundred times as long.
    short, long = (_measure_format("\\boxed{7} " * count) for count in (5_000, 50_000))
    assert long < 40 * max(short, 1e-3)


def _measure_format(text: str) -> float:
    return _measure(lambda completion: call(build("boxed_before_think_end"), [completion]), text)


def _measure(function: object, text: str) -> float:
    start = time.process_time()
    function(text)
    return time.process_time() - start


def test_the_cosine_counts_tokens_where_characters_would_be_at_its_end() -> None:
    # Traces of 9,000 and 12,000 tokens are 36,000 and 48,000 characters long, both beyond 30,000.
    texts = [RIGHT.rjust(36_000), RIGHT.rjust(48_000)]
    # 0.1 + 0.45 · (1 + cos(0.3 π)) and 0.1 + 0.45 · (1 + cos(0.4 π))
    ours = call(build("cosine", max_length=30_000), texts, [9_000, 12_000])
    assert ours == pytest.approx([0.55 + 0.45 * math.cos(0.3 * math.pi), 0.55 + 0.45 * math.cos(0.4 * math.pi)])


def test_lengths_are_compared_within_one_prompt_only() -> None:
    # An easy prompt (10 and 20 tokens) and a hard one (1,000 and 1,010) in one batch.
    lengths = [10, 20, 1_000, 1_010]
    assert call(build("group_length", num_generations=2), [RIGHT] * 4, lengths) == [0.5, -0.5, 0.5, -0.5]


def test_a_box_in_a_truncated_trace_is_no_answer() -> None:
    assert call(build("accuracy"), [UNFINISHED]) == [0.0]


def test_the_reference_is_the_first_argument_of_the_verification() -> None:
    # The other way round, whether 1<x<2 is answered by the interval (1,2), it would hold.
    completion = "So \\boxed{1<x<2}.</think>"
    assert verify("1<x<2", "(1,2)") is True
    assert call(build("accuracy"), [completion], gold="(1,2)") == [0.0]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        *(("accuracy", {}), ("boxed_before_think_end", {}), ("group_length", {}), ("cosine", {"max_length": 10})),
        *(("soft_overlong", {"max_length": 10, "margin": 2}), ("repetition", {})),
    ],
)
def test_an_unparseable_gold_earns_no_reward_at_all(name: str, parameters: dict) -> None:
    rewards = call(build(name, num_generations=2, **parameters), [RIGHT, UNFINISHED], [5, 9], gold="???")
    assert rewards == [None, None]


def test_every_completion_is_verified_once_a_step() -> None:
    names = ["boxed_before_think_end", "group_length", "accuracy"]
    rewards = build_rewards([RewardSettings(name=name) for name in names], 2, Judge(VERIFIER))
    with patch.object(VERIFIER, "verify_many", wraps=VERIFIER.verify_many) as verify_many:
        for reward in rewards:
            call(reward, [RIGHT, WRONG])
    assert verify_many.call_count == 1
    assert [len(call_.args[0]) for call_ in verify_many.call_args_list] == [2]


def test_rewards_work_in_a_worker_thread() -> None:
    completions = [rf"So \boxed{{\sqrt{{{number}}}}}.</think>" for number in (2, 3)]
    with ThreadPoolExecutor(1) as threads:
        judged = threads.submit(call, build("accuracy"), completions, gold=r"\sqrt{2}").result()
    assert judged == [1.0, 0.0]
