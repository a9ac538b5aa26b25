"""What the documentation site makes of its pages."""

from docs.hooks.tables import on_page_content

WIDE = (
    '<p>a</p><table>\n<thead>\n<tr>\n<th>error</th>\n<th style="text-align: left;"><code>way</code> &amp; "out"</th>\n'
    "<th>cause</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>one</td>\n"
    '<td style="text-align: left;"><code>two</code></td>\n'
    "<td></td>\n</tr>\n</tbody>\n</table>"
)
NARROW = "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>"


def test_each_cell_of_a_wide_table_says_which_column_it_is_in() -> None:
    page = on_page_content(WIDE)

    assert page.startswith('<p>a</p><table data-columns="3">\n<thead>\n<tr>\n<th>error</th>')
    assert '<td data-label="error"><span>one</span></td>' in page
    assert (
        '<td style="text-align: left;" data-label="way &amp; &quot;out&quot;"><span><code>two</code></span></td>'
        in page
    )
    assert "<td></td>" in page  # which a phone leaves out


def test_a_table_that_fits_stays_as_it_is() -> None:
    assert on_page_content(NARROW) == NARROW
