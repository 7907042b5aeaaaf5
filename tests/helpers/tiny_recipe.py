"""Overrides that shrink the nano recipe until every stage runs in seconds."""

TINY = {
    "data.nano.train_problems": 200,
    "data.nano.test_problems": 12,
    "data.nano.validation_problems": 6,
    "data.sources.0.rules": [],
    "data.calibration_rows": 60,
    "model.nano.layers": 1,
    "model.nano.hidden_size": 64,
    "model.nano.heads": 2,
    "model.nano.intermediate_size": 64,
    "sft.accelerate": "cpu",  # one process, which starts sooner
    "grpo.accelerate": "cpu",
    "sft.trainer.max_steps": 6,
    "sft.trainer.logging_steps": 2,
    "grpo.trainer.max_steps": 2,
    "grpo.trainer.num_generations": 4,
    "grpo.trainer.per_device_train_batch_size": 8,
    "grpo.trainer.max_completion_length": 24,
    "quantize.calibration_chunks": 4,
    "quantize.calibration_tokens": 64,
    "evaluate.engines": 1,
    "evaluate.problems": 6,
    "evaluate.samples": 4,
    "evaluate.token_budget": 48,
    "kernel.questions": 4,
    "kernel.samples": 4,
    "kernel.token_budget": 48,
    "kernel.require_votes": False,  # six steps of training teach no answers
}
