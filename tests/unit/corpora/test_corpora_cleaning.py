"""Each cleaning step cleans up its own kind of leftover, and nothing else."""

import pytest

from smelt.corpora.cleaning import clean_line


@pytest.mark.parametrize(
    ("extracted", "cleaned"),
    [
        pytest.param("Albedo () is a share.", "Albedo is a share.", id="emptied brackets"),
        pytest.param("Sweden (,), officially", "Sweden, officially", id="emptied brackets with separators"),
        pytest.param("パリ（、）は", "パリは", id="emptied full-width brackets"),
        pytest.param('袋小路文」("") と', "袋小路文」 と", id="emptied brackets after a letter that is not ASCII"),
        pytest.param("Call main() first.", "Call main() first.", id="brackets of code"),
        pytest.param("Lincoln (; February 12) was", "Lincoln (February 12) was", id="separators first"),
        pytest.param("Sony (Sonī, ) is", "Sony (Sonī) is", id="separators last"),
        pytest.param("ロシア（、ラッスィーヤ）は", "ロシア（ラッスィーヤ）は", id="full-width separators first"),
        pytest.param("the [[House of Habsburg|Habsburgs]] ruled", "the Habsburgs ruled", id="link with a label"),
        pytest.param("the [[War]] began", "the War began", id="link"),
        pytest.param("[[File:A.jpg|thumb|200px|A caption]]", "A caption", id="file"),
        pytest.param("in Japan]] and [[China", "in Japan and China", id="stray brackets"),
        pytest.param("* Koraput: 7 languages", "Koraput: 7 languages", id="list mark"),
        pytest.param("## nested", "nested", id="nested list marks"),
        pytest.param("Scott \u200b\u200bBrown\ufeff", "Scott Brown", id="zero-width spaces"),
        pytest.param("ភាសា\u200bខ្មែរ a\u200bb", "ភាសា\u200bខ្មែរ ab", id="ends of words in Khmer"),
        pytest.param("می\u200cخواهم", "می\u200cخواهم", id="joiners that scripts need"),
        pytest.param("  one   two  ", "one two", id="white space"),
        pytest.param("* {—", "", id="no words"),
        pytest.param("5\u00a0km, “quoted” – é", "5\u00a0km, “quoted” – é", id="nothing else is normalised"),
    ],
)
def test_a_leftover_of_extraction_is_cleaned_up(extracted, cleaned):
    assert clean_line(extracted) == cleaned
