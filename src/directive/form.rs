//! The form of an argument, as `grammar/directives.tsv` writes it, and whether a word has it.
//!
//! A row's `form` column holds one form per argument, parted by blanks; a last form that ends in `*`
//! is that of all arguments that follow, too. A form is one or more *kinds* joined by `|`, of which
//! one has to fit:
//!
//! | kind | what fits | nginx |
//! |---|---|---|
//! | `text` | anything | `ngx_conf_set_str_slot` |
//! | `path` | a path, relative to the prefix | `ngx_conf_full_name` |
//! | `file` | a path, relative to the configuration file | the same, with `conf_prefix` |
//! | `vars` | anything; `$name` has to be known | `ngx_http_compile_complex_value` |
//! | `regex` | a regular expression | `ngx_regex_compile` |
//! | `var` | `$name`, which this directive defines | `ngx_http_add_variable` |
//! | `use` | `$name`, which has to be known | `ngx_http_get_variable_index` |
//! | `flag` | `on`, `off` | `ngx_conf_set_flag_slot` |
//! | `num` | digits | `ngx_conf_set_num_slot` |
//! | `time` | a time in milliseconds | `ngx_conf_set_msec_slot` |
//! | `sec` | a time in seconds | `ngx_conf_set_sec_slot` |
//! | `size` | a size | `ngx_conf_set_size_slot` |
//! | `offset` | a size with `g` | `ngx_conf_set_off_slot` |
//! | `count`, `each` | digits or a size, not 0; say *invalid value* | `ngx_conf_set_bufs_slot` |
//! | `int` | digits, with a sign or without | `ngx_set_priority` |
//! | `access` | `user:rw` | `ngx_conf_set_access_slot` |
//! | `zone` | `name:size` | `ngx_http_limit_conn_zone` and its kin |
//! | `cidr` | an address or a network | `ngx_ptocidr` |
//! | `enum(a\|b)` | one of these, in any case | `ngx_conf_set_enum_slot` |
//! | `set(a\|b)` | one of these, each once | `ngx_conf_set_bitmask_slot` |
//! | `'a'` | exactly this | `ngx_strcmp` |
//! | `a=…` | `a=` and then what fits the kind behind it | custom functions |
//!
//! `num`, `size`, `offset`, `time` and `sec` may have bounds: `num[1..]`, `num[1..9]`, multiples of
//! 16 as `size[256..,16x]`, powers of two as `size[512..32768,2^]`. A `$` behind a kind (`size$`) lets
//! a word with variables stand in its place.

use std::fmt;

use crate::directive::values;

/// The forms of a row's arguments.
#[derive(Debug, Default)]
pub struct Forms {
    each: Vec<Form>,
    /// The last one goes on for all arguments that follow.
    repeats: bool,
}

/// The form of one argument: kinds of which one has to fit. None means that anything does.
#[derive(Debug, Default)]
pub struct Form {
    pub kinds: Vec<Kind>,
}

#[derive(Debug)]
pub enum Kind {
    Text,
    Path,
    File,
    Vars,
    Regex,
    Defines,
    Uses,
    Flag,
    Number(Bounds),
    Time(Bounds),
    Seconds(Bounds),
    Size(Bounds),
    Offset(Bounds),
    Count,
    Each,
    Integer,
    Access,
    Zone,
    Cidr,
    Enum(Vec<&'static str>),
    Set(Vec<&'static str>),
    Literal(&'static str),
    Key(&'static str, Box<Kind>),
    /// The kind itself, or a word with variables.
    OrVars(Box<Kind>),
}

/// The least and the greatest value, where there is one. Times count in milliseconds or seconds,
/// as their kind does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    pub least: Option<u64>,
    pub most: Option<u64>,
    pub step: Step,
}

/// Which values between the bounds count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Step {
    #[default]
    Any,
    /// Multiples of this.
    Multiple(u64),
    PowerOfTwo,
}

/// Why a word does not have a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It cannot be read as the kind at all.
    Shape,
    /// It is read, and lies outside of these.
    Range(Bounds),
}

impl Forms {
    /// Reads the `form` column; the error names what cannot be read.
    pub fn parse(column: &'static str) -> Result<Forms, String> {
        let (column, repeats) = match column.strip_suffix('*') {
            Some(rest) => (rest, true),
            None => (column, false),
        };
        let each = column.split(' ').filter(|form| !form.is_empty()).map(Form::parse);
        Ok(Forms { each: each.collect::<Result<_, _>>()?, repeats })
    }

    /// The form of the argument at `index`, counted from 0.
    pub fn of(&self, index: usize) -> Option<&Form> {
        self.each.get(index).or_else(|| self.each.last().filter(|_| self.repeats))
    }
}

impl Form {
    fn parse(text: &'static str) -> Result<Form, String> {
        let kinds = alternatives(text).map(Kind::parse);
        Ok(Form { kinds: kinds.collect::<Result<_, _>>()? })
    }

    /// Whether the word has this form; otherwise why it has not (of the kind that came closest).
    pub fn fit(&self, word: &[u8]) -> Result<(), Misfit> {
        let mut misfit = None;
        for kind in &self.kinds {
            match kind.fit(word) {
                Ok(()) => return Ok(()),
                Err(Misfit::Shape) => {}
                Err(range) => misfit = Some(range),
            }
        }
        if self.kinds.is_empty() { Ok(()) } else { Err(misfit.unwrap_or(Misfit::Shape)) }
    }
}

/// The parts between those `|` that are not in parentheses.
fn alternatives(text: &'static str) -> impl Iterator<Item = &'static str> {
    let mut depth = 0;
    text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == '|' && depth == 0
    })
}

impl Kind {
    fn parse(text: &'static str) -> Result<Kind, String> {
        if let Some(literal) = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
            return Ok(Kind::Literal(literal));
        }
        if let Some((key, kind)) = text.split_once('=').filter(|(key, _)| !key.contains('(')) {
            return Ok(Kind::Key(key, Box::new(Kind::parse(kind)?)));
        }
        if let Some(kind) = text.strip_suffix('$') {
            return Ok(Kind::OrVars(Box::new(Kind::parse(kind)?)));
        }
        let words = |list: &'static str| list.trim_end_matches(')').split('|').collect();
        if let Some(list) = text.strip_prefix("enum(") {
            return Ok(Kind::Enum(words(list)));
        }
        if let Some(list) = text.strip_prefix("set(") {
            return Ok(Kind::Set(words(list)));
        }
        let (name, bounds) = match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
            Some((name, bounds)) => (name, Bounds::parse(bounds)?),
            None => (text, Bounds::default()),
        };
        Ok(match name {
            "text" => Kind::Text,
            "path" => Kind::Path,
            "file" => Kind::File,
            "vars" => Kind::Vars,
            "regex" => Kind::Regex,
            "var" => Kind::Defines,
            "use" => Kind::Uses,
            "flag" => Kind::Flag,
            "num" => Kind::Number(bounds),
            "time" => Kind::Time(bounds),
            "sec" => Kind::Seconds(bounds),
            "size" => Kind::Size(bounds),
            "offset" => Kind::Offset(bounds),
            "count" => Kind::Count,
            "each" => Kind::Each,
            "int" => Kind::Integer,
            "access" => Kind::Access,
            "zone" => Kind::Zone,
            "cidr" => Kind::Cidr,
            _ => return Err(format!("unknown form \"{text}\"")),
        })
    }

    /// Whether the word is of this kind. Variables are looked at elsewhere.
    pub fn fit(&self, word: &[u8]) -> Result<(), Misfit> {
        let shape = |fits: bool| if fits { Ok(()) } else { Err(Misfit::Shape) };
        match self {
            Kind::Text | Kind::Path | Kind::File | Kind::Vars | Kind::Regex => Ok(()),
            Kind::Defines | Kind::Uses => shape(word.len() > 1 && word[0] == b'$'),
            Kind::Flag => shape(values::flag(word).is_some()),
            Kind::Number(bounds) => bounds.fit(values::number(word)),
            Kind::Time(bounds) => bounds.fit(values::time(word).map(|time| time.as_millis() as u64)),
            Kind::Seconds(bounds) => bounds.fit(values::seconds(word).map(|time| time.as_secs())),
            Kind::Size(bounds) => bounds.fit(values::size(word)),
            Kind::Offset(bounds) => bounds.fit(values::offset(word)),
            Kind::Count => shape(values::number(word).is_some_and(|count| count > 0)),
            Kind::Each => shape(values::size(word).is_some_and(|size| size > 0)),
            Kind::Integer => {
                let digits = word.strip_prefix(b"-").or(word.strip_prefix(b"+")).unwrap_or(word);
                shape(values::number(digits).is_some())
            }
            Kind::Access => {
                let parts = word.iter().position(|byte| *byte == b':').map(|colon| word.split_at(colon));
                let users: &[&[u8]] = &[b"user", b"group", b"all"];
                let rights: &[&[u8]] = &[b":r", b":rw"];
                shape(parts.is_some_and(|(user, right)| users.contains(&user) && rights.contains(&right)))
            }
            Kind::Zone => shape(values::zone(word).is_some()),
            Kind::Cidr => shape(values::cidr(word).is_some()),
            Kind::Enum(list) | Kind::Set(list) => {
                shape(list.iter().any(|one| one.as_bytes().eq_ignore_ascii_case(word)))
            }
            Kind::Literal(literal) => shape(literal.as_bytes() == word),
            Kind::Key(key, kind) => {
                match word.strip_prefix(key.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")) {
                    Some(value) => kind.fit(value),
                    None => Err(Misfit::Shape),
                }
            }
            Kind::OrVars(_) if word.contains(&b'$') => Ok(()),
            Kind::OrVars(kind) => kind.fit(word),
        }
    }
}

impl Bounds {
    fn parse(text: &str) -> Result<Bounds, String> {
        let wrong = || format!("\"{text}\" are no bounds");
        let (range, step) = text.split_once(',').unwrap_or((text, ""));
        let (least, most) = range.split_once("..").ok_or_else(wrong)?;
        let number = |text: &str| match text {
            "" => Ok(None),
            _ => text.parse().map(Some).map_err(|_| wrong()),
        };
        let step = match step.strip_suffix('x') {
            Some(factor) => Step::Multiple(factor.parse().map_err(|_| wrong())?),
            None if step == "2^" => Step::PowerOfTwo,
            None => Step::Any,
        };
        Ok(Bounds { least: number(least)?, most: number(most)?, step })
    }

    fn fit(&self, value: Option<u64>) -> Result<(), Misfit> {
        let value = value.ok_or(Misfit::Shape)?;
        let low = self.least.is_some_and(|least| value < least);
        let high = self.most.is_some_and(|most| value > most);
        let between = match self.step {
            Step::Any => false,
            Step::Multiple(factor) => !value.is_multiple_of(factor),
            Step::PowerOfTwo => !value.is_power_of_two(),
        };
        if low || high || between { Err(Misfit::Range(*self)) } else { Ok(()) }
    }
}

/// `value must be …`, as nginx says it.
impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (Some(least), Some(most)) => write!(f, "value must be between {least} and {most}"),
            (Some(least), None) => write!(f, "value must be equal to or greater than {least}"),
            (None, Some(most)) => write!(f, "value must be equal to or less than {most}"),
            (None, None) => f.write_str("value must be a number"),
        }?;
        match self.step {
            Step::Any => Ok(()),
            Step::Multiple(factor) => write!(f, " and a multiple of {factor}"),
            Step::PowerOfTwo => f.write_str(" and a power of two"),
        }
    }
}

/// What fits, for people: `on or off`, `a time such as 30s`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Text | Kind::Path | Kind::File => f.write_str("any text"),
            Kind::Vars => f.write_str("text, which may hold variables"),
            Kind::Regex => f.write_str("a regular expression"),
            Kind::Defines | Kind::Uses => f.write_str("a variable such as $name"),
            Kind::Flag => f.write_str("\"on\" or \"off\""),
            Kind::Number(_) | Kind::Count | Kind::Integer => f.write_str("a number"),
            Kind::Access => f.write_str("\"user\", \"group\" or \"all\" with \":r\" or \":rw\""),
            Kind::Zone => f.write_str("a name and a size such as one:10m"),
            Kind::Time(_) => f.write_str("a time such as 500ms, 30s or 1h30m"),
            Kind::Seconds(_) => f.write_str("a time in whole seconds such as 30s, 1h30m or 7d"),
            Kind::Size(_) | Kind::Each => f.write_str("a size such as 512, 16k or 1m"),
            Kind::Offset(_) => f.write_str("a size such as 512, 16k, 10m or 1g"),
            Kind::Cidr => f.write_str("an address or a network such as 10.0.0.0/8"),
            Kind::Enum(list) | Kind::Set(list) => {
                f.write_str(&either(list.iter().map(|one| format!("\"{one}\""))))
            }
            Kind::Literal(literal) => write!(f, "\"{literal}\""),
            Kind::Key(key, kind) => match **kind {
                Kind::Text | Kind::Path | Kind::File | Kind::Vars => write!(f, "\"{key}=…\""),
                _ => write!(f, "\"{key}=\" with {kind}"),
            },
            Kind::OrVars(kind) => write!(f, "{kind}"),
        }
    }
}

/// What fits, for people: the kinds joined by *or*.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&either(self.kinds.iter().map(ToString::to_string)))
    }
}

/// `a, b or c`.
pub fn either(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<String> = words.collect();
    let Some(last) = words.pop() else { return String::new() };
    if words.is_empty() { last } else { format!("{} or {last}", words.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(form: &'static str, word: &str) -> bool {
        Forms::parse(form).unwrap().of(0).unwrap().fit(word.as_bytes()).is_ok()
    }

    #[test]
    fn one_kind_of_several_is_enough() {
        assert!(fits("'off'|time", "off"));
        assert!(fits("'off'|time", "30s"));
        assert!(!fits("'off'|time", "on"));
        assert!(fits("weight=num[1..]|'backup'", "weight=3"));
        assert!(!fits("weight=num[1..]|'backup'", "weight=0"));
        assert!(!fits("weight=num[1..]|'backup'", "weight"));
        assert!(fits("enum(a|b)|size$", "B"));
        assert!(fits("enum(a|b)|size$", "$rate"));
        assert!(!fits("enum(a|b)|size$", "c"));
    }

    #[test]
    fn the_last_form_may_go_on() {
        let forms = Forms::parse("text set(a|b)*").unwrap();
        assert!(forms.of(7).unwrap().fit(b"a").is_ok());
        assert!(forms.of(7).unwrap().fit(b"c").is_err());
        assert!(Forms::parse("num").unwrap().of(1).is_none());
        assert!(Forms::parse("numb").is_err());
    }

    #[test]
    fn a_misfit_says_what_would_fit() {
        let forms = Forms::parse("'off'|num[1..9]").unwrap();
        let form = forms.of(0).unwrap();
        assert_eq!(form.to_string(), "\"off\" or a number");
        let Err(Misfit::Range(bounds)) = form.fit(b"10") else { panic!("10 is out of range") };
        assert_eq!(bounds.to_string(), "value must be between 1 and 9");
        assert_eq!(form.fit(b"x"), Err(Misfit::Shape));
    }
}
