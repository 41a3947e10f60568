//! Shell patterns: `*`, `?`, `[abc]`, `[a-z]`, `[!abc]`.

/// Whether the whole name matches. A `[` without its `]` stands for itself.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where to go on when the text after the last `*` did not fit: one character further. Linear memory, no recursion.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match step(&pattern[p..], name[n]) {
            Step::Star => {
                retry = Some((p + 1, n));
                p += 1;
            }
            Step::Fits(length) => (p, n) = (p + length, n + 1),
            Step::Fails => match retry {
                Some((after_star, from)) => {
                    retry = Some((after_star, from + 1));
                    (p, n) = (after_star, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

enum Step {
    Star,
    /// One character fits; the pattern goes on after this many of its own.
    Fits(usize),
    Fails,
}

fn step(pattern: &[char], c: char) -> Step {
    let (fits, length) = match pattern.first() {
        None => return Step::Fails,
        Some('*') => return Step::Star,
        Some('?') => (true, 1),
        Some('[') => class(pattern, c).unwrap_or((c == '[', 1)),
        Some(other) => (*other == c, 1),
    };
    if fits { Step::Fits(length) } else { Step::Fails }
}

/// Whether the class at the start of the pattern holds `c`, and the class's length.
fn class(pattern: &[char], c: char) -> Option<(bool, usize)> {
    let negated = pattern.get(1) == Some(&'!');
    let start = 1 + usize::from(negated);
    let end = start + 1 + pattern.get(start + 1..)?.iter().position(|p| *p == ']')?;
    let members = &pattern[start..end];
    let (mut found, mut i) = (false, 0);
    while i < members.len() {
        match members.get(i + 1..i + 3) {
            Some(['-', last]) => {
                found |= (members[i]..=*last).contains(&c);
                i += 3;
            }
            _ => {
                found |= members[i] == c;
                i += 1;
            }
        }
    }
    Some((found != negated, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*~", "a~", true),
            ("*~", "~", true),
            ("*~", "a~b", false),
            (".*.sw?", ".plan.txt.swp", true),
            (".*.sw?", ".swp", false),
            ("#*#", "#a#", true),
            ("#*#", "#", false),
            ("~$*", "~$a.docx", true),
            ("[Tt]humbs.db", "thumbs.db", true),
            ("[!a-c]x", "dx", true),
            ("[!a-c]x", "bx", false),
            ("[0-9A-F]", "a", false),
            ("[", "[", true),
            ("[]]", "]", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?", "日", true),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_do_not_explode() {
        assert!(!matches(&"a*".repeat(50), &format!("{}b", "a".repeat(49))));
        assert!(!matches(&format!("{}b", "*a".repeat(60)), &"a".repeat(255)));
    }
}
