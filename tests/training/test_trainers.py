"""From a recipe to TRL's own configurations: every shipped recipe is built, and what cannot work is refused."""

import inspect

import pytest
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from fastmath.recipe.errors import SettingsError
from fastmath.recipe.launches import read_launch
from fastmath.recipe.load import load_recipe
from fastmath.training import trainers
from fastmath.training.trainers import build_grpo_config, build_sft_config, check_trainers

SOURCES = {
    "sft": "".join(map(inspect.getsource, (inspect.getmodule(SFTTrainer), inspect.getmodule(SFTConfig)))),
    "grpo": "".join(map(inspect.getsource, (inspect.getmodule(GRPOTrainer), inspect.getmodule(GRPOConfig)))),
}


def test_the_paper_s_batch_is_128_completions_on_eight_processes(tmp_path):
    recipe = load_recipe("fast_math_r1_14b")
    config = build_grpo_config(recipe, tmp_path, processes=read_launch(recipe.grpo).processes)
    # 8 processes x 2 completions x 8 accumulation steps
    assert config.generation_batch_size == 128


def test_the_process_that_trains_builds_the_same_class_on_its_own_machine(tmp_path):
    assert type(build_grpo_config(load_recipe("nano"), tmp_path)) is GRPOConfig


def test_the_comparison_ends_its_schedule_after_one_epoch(tmp_path):
    assert build_sft_config(load_recipe("nano"), tmp_path, first_epoch=True).num_train_epochs == 1


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("sft.trainer.max_step", 1, "`sft.trainer.max_step` is no setting of SFTConfig; did you mean 'max_steps'?"),
        ("grpo.trainer.num_generation", 1, "is no setting of GRPOConfig; did you mean 'num_generations'?"),
        ("grpo.trainer.loss_type", "dapoo", "`grpo.trainer.loss_type` is 'dapoo'; did you mean 'dapo'?"),
        ("grpo.trainer.max_steps", "fifty", "`grpo.trainer.max_steps` is 'fifty': input should be a valid integer"),
        ("grpo.trainer.vllm_mode", "remote", "is 'remote'; want one of server, colocate"),
        ("sft.trainer.packing_strategy", "foo", "is 'foo'; want one of bfd, bfd_split, wrapped"),
        ("sft.trainer.learning_rate", "abc", "is 'abc': input should be a valid number"),
        ("sft.trainer.learning_rate", -1, "is -1; want more than 0"),
        ("grpo.trainer.max_completion_length", 0, "is 0; want at least 1"),
        ("grpo.trainer.top_p", 1.5, "is 1.5; want more than 0, at most 1"),
        ("grpo.trainer.lr_scheduler_type", "cosin", "is 'cosin'; did you mean 'cosine'?"),
        ("sft.trainer.optim", "adamw_torchh", "is 'adamw_torchh'; did you mean 'adamw_torch'?"),
        ("sft.trainer.eval_strategy", "steps", "is given no evaluation set; leave it out"),
        ("grpo.trainer.num_generations", "8", "is '8': input should be a valid integer"),
        ("grpo.trainer.num_generations", 1, "is 1; want at least 2"),
        ("grpo.trainer.num_generations", 7, "2 x 64 x 1), which do not divide into groups of 7"),
        ("grpo.trainer.vllm_max_model_length", 160, "want room for the prompt, too"),
        ("sft.trainer.report_to", "tensorbord", "is 'tensorbord'; did you mean 'tensorboard'?"),
        ("sft.trainer.fp16", None, "is None: input should be a valid boolean"),
        ("sft.accelerate", "zero9", "there is no accelerate configuration 'zero9'; want one of cpu, "),
        ("grpo.rewards.0.name", "cosin", "there is no reward 'cosin'; did you mean 'cosine'"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_the_nearest_value_or_the_bound(key, value, message):
    overrides = {key: value} | ({"grpo.trainer.use_vllm": True} if "vllm_max" in key else {})
    with pytest.raises(SettingsError) as refused:
        check_trainers(load_recipe("nano", overrides))
    assert message in str(refused.value)


def test_a_tracker_reaches_both_trainers(tmp_path, monkeypatch):
    monkeypatch.setattr(trainers, "get_available_reporting_integrations", lambda: ["tensorboard"])
    overrides = {"sft.trainer.report_to": "tensorboard", "grpo.trainer.report_to": ["tensorboard"]}
    recipe = load_recipe("nano", overrides)
    configs = build_sft_config(recipe, tmp_path), build_grpo_config(recipe, tmp_path)
    assert [config.report_to for config in configs] == [["tensorboard"]] * 2


def test_without_one_nobody_is_told(tmp_path):
    assert build_sft_config(load_recipe("nano"), tmp_path).report_to == []


def test_a_tracker_that_is_not_installed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(trainers, "get_available_reporting_integrations", lambda: [])
    with pytest.raises(SettingsError, match=r"`grpo.trainer.report_to` is 'wandb', whose package is not installed"):
        build_grpo_config(load_recipe("nano", {"grpo.trainer.report_to": "wandb"}), tmp_path)


def test_what_only_trl_knows_is_refused_in_its_own_words():
    with pytest.raises(SettingsError, match=r"`sft.trainer` cannot work: At most one of fp16 and bf16"):
        check_trainers(load_recipe("nano", {"sft.trainer.fp16": True, "sft.trainer.bf16": True}))


@pytest.mark.parametrize("sampling", [{"top_p": 0.9}, {"min_p": 0.05}, {"top_k": 20}])
def test_a_sequence_s_correction_of_truncated_sampling_is_refused(sampling):
    # A kept mass of 0.99 a token is 0.99^8000 = 1e-35 over 8,000 tokens.
    overrides = {f"grpo.trainer.{name}": value for name, value in {"use_vllm": True, **sampling}.items()}
    with pytest.raises(SettingsError, match="the gradient vanishes in long completions"):
        check_trainers(load_recipe("nano", overrides))


@pytest.mark.parametrize(
    "mend",
    [
        {"vllm_importance_sampling_correction": False},
        {"vllm_importance_sampling_mode": "token_truncate"},
        {"top_p": 1.0},
        {"use_vllm": False},
    ],
)
def test_what_the_refusal_asks_for_is_accepted(mend):
    settings = {"use_vllm": True, "top_p": 0.9} | mend
    check_trainers(load_recipe("nano", {f"grpo.trainer.{name}": value for name, value in settings.items()}))


@pytest.mark.parametrize(
    "settings",
    [
        {"vllm_mode": "server", "vllm_server_base_url": "http://other:8000"},
        {"vllm_mode": "colocate", "vllm_enable_sleep_mode": True, "vllm_tensor_parallel_size": 1},
    ],
)
def test_what_needs_cuda_is_built_as_a_configuration(settings, tmp_path):
    overrides = {f"grpo.trainer.{name}": value for name, value in {"use_vllm": True, **settings}.items()}
    config = build_grpo_config(load_recipe("nano", overrides), tmp_path, processes=1)
    assert {name: getattr(config, name) for name in settings} == settings


def test_packing_without_a_flash_attention_is_refused():
    with pytest.raises(SettingsError, match="would let each attend to those before it"):
        check_trainers(load_recipe("nano", {"sft.trainer.packing": True}))


def test_parts_of_groups_in_a_process_are_refused_where_lengths_are_compared_within_groups():
    # 8 processes x 2 x 2 = 32 completions are 4 groups of 8, but each process would see half of one.
    settings = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    overrides = {f"grpo.trainer.{name}": value for name, value in settings.items()}
    with pytest.raises(SettingsError, match=r"2 x 2 = 4 completions .* groups of 8"):
        check_trainers(load_recipe("fast_math_r1_14b", overrides))


OVERSAMPLING = {"grpo.oversampling": {}, "grpo.trainer.scale_rewards": "group"}


def test_parts_of_groups_in_a_process_are_refused_where_groups_are_replaced():
    settings = OVERSAMPLING | {
        "grpo.rewards": [{"name": "accuracy"}],
        "grpo.trainer.per_device_train_batch_size": 2,
        "grpo.trainer.gradient_accumulation_steps": 2,
    }
    with pytest.raises(SettingsError, match=r"2 x 2 = 4 completions .* `grpo.oversampling` would replace parts"):
        check_trainers(load_recipe("fast_math_r1_14b", settings))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (OVERSAMPLING | {"grpo.trainer.scale_rewards": "batch"}, "would differ in scale"),
        (
            OVERSAMPLING | {"grpo.trainer.multi_objective_aggregation": "normalize_then_sum"},
            "`multi_objective_aggregation: normalize_then_sum`, which divides advantages by the spread of a whole",
        ),
        # 128 completions in groups of 8
        (OVERSAMPLING | {"grpo.oversampling": {"groups": 17}}, "= 128 / 8); want 16 at most"),
        (
            {"grpo.pass_rates": {}, "evaluate.engine.arguments.max_model_len": 256},
            "completions of up to 256 tokens (`grpo.trainer.max_completion_length`) on the engine of `evaluate`",
        ),
    ],
)
def test_sampling_that_contradicts_itself_is_refused(overrides, message):
    with pytest.raises(SettingsError) as refused:
        check_trainers(load_recipe("nano", overrides))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "overrides", [OVERSAMPLING | {"grpo.oversampling": {"groups": 16}}, {"grpo.pass_rates": {"samples": 8}}]
)
def test_nano_can_sample_further(overrides):
    check_trainers(load_recipe("nano", overrides))


def test_an_accelerate_file_by_its_path_counts_its_processes(tmp_path):
    (tmp_path / "mine.yaml").write_text("num_processes: 4\n")
    assert read_launch(load_recipe("nano", {"sft.accelerate": str(tmp_path / "mine.yaml")}).sft).processes == 4


def test_an_accelerate_file_without_a_number_of_processes_is_refused(tmp_path):
    (tmp_path / "mine.yaml").write_text("use_cpu: true\n")
    with pytest.raises(SettingsError, match="`num_processes: None`; want the number of training processes"):
        read_launch(load_recipe("nano", {"sft.accelerate": str(tmp_path / "mine.yaml")}).sft)


@pytest.mark.parametrize(
    ("section", "name", "choice"),
    [
        (section, name, choice)
        for section, settings in trainers.CHOICES.items()
        for name, choices in settings.items()
        for choice in choices
        if isinstance(choice, str)
    ],
)
def test_every_choice_that_we_list_stands_in_trl_s_source(section, name, choice):
    assert f'"{choice}"' in SOURCES[section]
    assert name in SOURCES[section]


@pytest.mark.parametrize("name", trainers.BOUNDS)
def test_every_bound_is_of_a_setting_that_trl_has(name):
    assert hasattr(SFTConfig, name) or hasattr(GRPOConfig, name)
