"""`parapet config` and the command line's way with mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.cli import main


def test_every_setting_is_printed_with_its_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A value from the file names the file and line, another the default."""
    config = tmp_path / "parapet.yaml"
    config.write_text("port: 9000\n")
    assert main(["config", "--config", str(config)]) == 0
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert rows["port"] == ["9000", f"{config}:1"]
    assert rows["workers"] == ["1", "default"]


def test_a_mistake_in_the_configuration_is_shown_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, file, line, and what was meant; no stack trace."""
    config = tmp_path / "parapet.yaml"
    config.write_text("host: 127.0.0.1\nprot: 9000\n")
    assert main(["config", "--config", str(config)]) == 2
    said = capsys.readouterr().err
    assert f"{config}:2:1" in said
    assert "port" in said
    assert "Traceback" not in said


def test_a_bad_value_on_the_command_line_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The setting, the value and what was expected are named."""
    assert main(["serve", "--port", "99999"]) == 2
    said = capsys.readouterr().err
    assert "port" in said
    assert "99999" in said


def test_a_command_that_does_not_exist_is_refused() -> None:
    """As argparse does it."""
    with pytest.raises(SystemExit, match="2"):
        main(["sevre"])


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the system refuses is one line with the place, not a stack trace."""
    (tmp_path / "one.txt").write_text("some words of a work that is long enough to be indexed here")
    assert main(["index", "build", str(tmp_path / "one.txt"), "-o", str(tmp_path / "none" / "x.pidx")]) == 2
    assert f"there is no folder {tmp_path / 'none'}" in capsys.readouterr().err
