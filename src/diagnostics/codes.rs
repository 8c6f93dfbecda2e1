//! What each code of a finding stands for: the table in `docs/check.md` is the register.

const PAGE: &str = include_str!("../../docs/check.md");

/// What a code is, in a line; its own words if the page does not say.
pub fn summary(code: &str) -> String {
    let quoted = format!("`{code}`");
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    let mut told = rows.filter(|(codes, _)| codes.split(", ").any(|one| one == quoted));
    told.next().map_or_else(|| code.replace('-', " "), |(_, summary)| summary.replace('`', ""))
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn the_page_says_what_a_code_is() {
        assert_eq!(summary("empty-upstream"), "an upstream without servers");
        assert_eq!(summary("surplus-brace"), "braces that do not pair");
        assert_eq!(summary("not-on-the-page"), "not on the page");
    }
}
