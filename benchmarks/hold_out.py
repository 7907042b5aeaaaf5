"""Fit the numbers of the kernel's own rule to exams, and judge them on exams and models that they were not fitted to.

    python benchmarks/hold_out.py --votes FILE:PROFILE ... [--contests 160] [--write]

Every fit begins from the same round numbers (`START`). The schedule of all exams is what `--write` stores beside the
policy's code. Then one exam is left out at a time, and one model (in all exams): the rule that was fitted without it
plays its contests, of other seeds, beside the public rules, at slowdown 24. The last line is one JSON object.
"""

import argparse
import json
import math
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fastmath.answers.contests import CONTESTS
from fastmath.policies.adaptive import SCHEDULE_FILE, Schedule
from fastmath.replay.fitting import Bench, FitSetting, Sets, choose_risk, fit_clock, measure_losses
from fastmath.replay.held_out import Judgement, judge
from fastmath.replay.votes import read_votes

START = Schedule(risk=0.16, patience=1.25, first_wave=1 / 5, give_up=2.5)
SLOWDOWNS = (24.0, 8.0, math.inf)
"""An engine of the usual, of a steep and of a flat throughput curve."""


def read_sets(texts: list[str]) -> Sets:
    """Recordings by the name of their file, from texts FILE:PROFILE."""
    sets = {}
    for text in texts:
        file, _, profile = text.rpartition(":")
        sets[Path(file).name.partition(".")[0]] = read_votes(Path(file), profile=CONTESTS[profile])
    return sets


def tell(judgements: list[Judgement]) -> dict[str, Any]:
    return {
        f"{each.limit:g}": {
            "score": round(each.score, 2),
            "best_public": each.best_public,
            "gain": [round(value, 2) for value in each.gain],
            "gain_on_start": [round(value, 2) for value in each.gain_on_start],
        }
        for each in judgements
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--votes", nargs="+", required=True, metavar="FILE:PROFILE")
    parser.add_argument("--contests", type=int, default=160, help="of an exam, shared by its models")
    parser.add_argument("--question-seeds", type=int, default=400)
    parser.add_argument("--write", action="store_true", help=f"write {SCHEDULE_FILE.name}")
    arguments = parser.parse_args()
    sets, cores = read_sets(arguments.votes), os.cpu_count() or 1
    setting = FitSetting(SLOWDOWNS, contests=arguments.contests, question_seeds=arguments.question_seeds)
    judged_on = replace(setting, slowdowns=SLOWDOWNS[:1])
    bench = Bench(sets, setting, cores)
    groups = bench.groups

    losses = {exam: measure_losses(recordings, START, setting, cores) for exam, recordings in sets.items()}
    print(f"points lost by risk: {json.dumps(losses)}", file=sys.stderr)
    everything = fit_clock(bench, choose_risk(losses.values(), START))
    print(f"fitted to all: {everything}", file=sys.stderr)
    if arguments.write:
        names = " ".join(f"{Path(text).name}" for text in arguments.votes)
        command = f"python benchmarks/hold_out.py --votes {names} --contests {arguments.contests} --write"
        numbers = {name: value for name, value in asdict(everything).items() if value is not None}
        SCHEDULE_FILE.write_text(json.dumps({"made_by": command} | numbers, indent=1) + "\n")
    result: dict[str, Any] = {"losses": losses, "fitted": asdict(everything), "exams": {}, "models": {}}
    for exam, recordings in sets.items():
        start = choose_risk([lost for name, lost in losses.items() if name != exam], START)
        schedule = fit_clock(bench, start, [group for group in groups if group[0] != exam])
        judged = tell(judge([(recordings, schedule)], START, judged_on, cores))
        result["exams"][exam] = {"fitted": asdict(schedule), "judged": judged}
        print(f"without {exam}: {schedule}\n{json.dumps(judged)}", file=sys.stderr)
    for model in dict.fromkeys(model for _, model in groups):
        schedule = fit_clock(
            bench, replace(START, risk=everything.risk), [group for group in groups if group[1] != model]
        )
        for exam, recordings in sets.items():
            own = [recording for recording in recordings if recording.model == model]
            if own:
                seeds = replace(judged_on, contests=bench.setting.seeds(recordings))
                judged = tell(judge([(own, schedule)], START, seeds, cores))
                result["models"][f"{model}, {exam}"] = {"fitted": asdict(schedule), "judged": judged}
                print(f"without {model}, {exam}: {schedule}\n{json.dumps(judged)}", file=sys.stderr)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
