"""The CSV of questions as people have it: asked right, or refused with the row that is wrong."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastmath.contest.questions import GatewayError, find_questions, read_questions, write_asked

QUESTIONS = "id,problem\n000a1,What is 1+1?\n057,What is 2+2?\n"


@pytest.fixture
def write(tmp_path: Path):
    def write_csv(content: str | bytes) -> Path:
        path = tmp_path / "test.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_csv


def test_a_question_column_is_as_good_as_a_problem_column(write):
    assert read_questions(write("id,question\n000a1,What is 1+1?\n")).row(0) == ("000a1", "What is 1+1?")


def test_any_only_other_column_is_the_question(write):
    assert read_questions(write("id,text\na,What is 1+1?\n")).columns == ["id", "text"]


def test_columns_may_stand_in_any_order(write):
    rows = read_questions(write("answer,problem,id\n2,What is 1+1?,a\n"))
    assert rows.rows() == [("a", "What is 1+1?", 2)]


def test_further_columns_are_left_out(write):
    rows = read_questions(write("id,problem,source,answer\na,What is 1+1?,a book,2\n"))
    assert rows.columns == ["id", "problem", "answer"]


def test_two_columns_that_may_be_the_question_are_refused(write):
    with pytest.raises(GatewayError, match="columns id, text, source"):
        read_questions(write("id,text,source\na,What is 1+1?,a book\n"))


def test_blank_lines_are_passed_over(write):
    assert read_questions(write("id,problem\n\na,1?\n\n\nb,2?\n\n")).rows() == [("a", "1?"), ("b", "2?")]


def test_a_byte_order_mark_is_passed_over(write):
    assert read_questions(write(b"\xef\xbb\xbfid,problem\na,1?\n")).rows() == [("a", "1?")]


@pytest.mark.parametrize("row", ["a,", "a", ",1?", " ,1?"])
def test_a_row_without_id_or_question_is_refused(row, write):
    with pytest.raises(GatewayError, match="of question 2 is empty"):
        read_questions(write(f"id,problem\nb,2?\n{row}\n"))


def test_an_id_of_several_rows_is_refused(write):
    with pytest.raises(GatewayError, match="id '1' stands in 2 rows"):
        read_questions(write("id,problem\n1,a?\n2,b?\n1,c?\n"))


@pytest.mark.parametrize(
    ("text", "value"), [('"1,024"', 1024), ("007", 7), ("7.0", 7), (r"\frac{8}{2}", 4), ("", None), (" ", None)]
)
def test_a_known_answer_is_read_as_a_sample_s(text, value, write):
    assert read_questions(write(f"id,problem,answer\na,1?,{text}\nb,2?,3\n"))["answer"].to_list() == [value, 3]


def test_a_known_answer_that_is_no_integer_is_named(write):
    with pytest.raises(GatewayError, match=r"answer to 'b' is 'x\+1', which is no integer"):
        read_questions(write("id,problem,answer\na,1?,3\nb,2?,x+1\n"))


def test_a_missing_test_file_is_named(tmp_path):
    with pytest.raises(GatewayError, match=r"there is no file .*none\.csv"):
        read_questions(tmp_path / "none.csv")


@pytest.mark.parametrize("content", ["", "id,problem\n", "problem\n1?\n"], ids=["empty", "no rows", "no id"])
def test_a_file_without_questions_is_refused(content, write):
    with pytest.raises(GatewayError, match=r"want at least one row|cannot be read as a CSV"):
        read_questions(write(content))


def test_a_file_in_another_encoding_is_refused(write):
    with pytest.raises(GatewayError, match="cannot be read as a CSV"):
        read_questions(write("id,problem\na,é?\n".encode("utf-16")))


@given(
    st.dictionaries(
        st.text(st.characters(codec="ascii", exclude_characters="\r\n\0"), min_size=1).filter(str.strip),
        st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1).filter(str.strip),
        min_size=1,
    )
)
def test_what_is_written_to_be_asked_is_read_as_it_was(tmp_path_factory, asked):
    rows = {identifier.strip(): question for identifier, question in asked.items()}
    frame = pl.DataFrame({"id": list(rows), "problem": list(rows.values())})
    path = write_asked(frame, tmp_path_factory.mktemp("asked") / "asked.csv")
    assert read_questions(path).rows() == frame.rows()


def test_the_test_file_is_found_wherever_it_is_mounted(tmp_path):
    (tmp_path / "competitions" / "aimo").mkdir(parents=True)
    (tmp_path / "competitions" / "aimo" / "test.csv").write_text(QUESTIONS)
    assert find_questions(tmp_path) == tmp_path / "competitions" / "aimo" / "test.csv"


@pytest.mark.parametrize("folders", [(), ("a", "b")], ids=["none", "two"])
def test_no_or_two_test_files_are_refused(folders, tmp_path):
    for folder in folders:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "test.csv").write_text(QUESTIONS)
    with pytest.raises(GatewayError, match=r"want one test\.csv"):
        find_questions(tmp_path)
