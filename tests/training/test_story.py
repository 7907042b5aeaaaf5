"""The tables of the GRPO notebook."""

import json
from pathlib import Path

from fastmath.training.story import measure_time, tell_findings, tell_time, tell_validations


def write(folder: Path, name: str, *rows: dict[str, object]) -> None:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def validate(step: int, value: float) -> dict[str, object]:
    names = {"pass@1": value, "majority@4": value, "tokens": 50.0, "clipped": 0.0}
    ends = {"": 0.0, "/low": -0.1, "/high": 0.1}
    return {"step": step} | {
        f"validation/{name}{end}": at + by for name, at in names.items() for end, by in ends.items()
    }


def test_the_chosen_model_is_bold(tmp_path):
    write(tmp_path, "metrics.jsonl", validate(0, 0.5), {"step": 1, "loss": 0.1}, validate(5, 0.75))
    (tmp_path / "chosen.json").write_text('{"step": 5, "steps": 9}')
    lines = tell_validations(tmp_path).splitlines()
    assert lines[0] == "| step | pass@1 | majority@4 | tokens | clipped |"
    assert lines[2].startswith("| 0 | 0.500 [0.400, 0.600] |")
    assert lines[3].startswith("| **5** | **0.750 [0.650, 0.850]** |")
    assert lines[-1] == "The product is the model after step 5 of 9."


def test_a_training_without_validation_says_so(tmp_path):
    write(tmp_path, "metrics.jsonl", {"step": 1, "loss": 0.1})
    assert "was not validated" in tell_validations(tmp_path)


def test_a_training_without_validation_says_that_its_product_is_interpolated(tmp_path):
    write(tmp_path, "metrics.jsonl", {"step": 1, "loss": 0.1})
    (tmp_path / "interpolation.json").write_text('{"share": 0.7, "taken": true}')
    assert "70% the trained ones and 30% those of the model before GRPO" in tell_validations(tmp_path)


def test_findings_are_listed_with_their_steps(tmp_path):
    assert tell_findings(tmp_path) == "The guard found nothing."
    row = {"step": 7, "level": "stop", "signal": "kl", "message": "the KL divergence is 9"}
    write(tmp_path, "guard.jsonl", row)
    assert tell_findings(tmp_path) == "- step 7, **the training was ended**: the KL divergence is 9"


def test_times_are_summed_by_part(tmp_path):
    step = {
        "step": 1,
        "time/generation": 3.0,
        "time/rewards": 1.0,
        "time/validation": 0.0,
        "time/update": 4.0,
        "generation/tokens": 600,
    }
    assert measure_time([step, step, {"step": 3}])["time/update"] == 8.0
    write(tmp_path, "metrics.jsonl", step, step)
    # 6 of 16 seconds, 1,200 tokens in 6 seconds
    assert "| generation | 6 | 38% |" in tell_time(tmp_path)
    assert tell_time(tmp_path).endswith("1,200 tokens of completions, 200 a second of generation.")
