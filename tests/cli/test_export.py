"""`fastmath export` and `fastmath join` refuse what they cannot do, with exit code 2."""

from helpers.command import fastmath


def test_a_run_without_figures_is_not_given_away(tmp_path):
    (tmp_path / "sft").mkdir()
    (tmp_path / "sft" / "manifest.json").write_text('{"status": "done"}')
    finished = fastmath("export", str(tmp_path), str(tmp_path / "out"), "--model", "sft")
    assert finished.returncode == 2
    assert "has not been evaluated" in finished.stderr


def test_the_first_node_does_not_join(tmp_path):
    finished = fastmath("join", str(tmp_path), "--rank", "0")
    assert finished.returncode == 2
    assert "node 0 is the one that runs the recipe" in finished.stderr
