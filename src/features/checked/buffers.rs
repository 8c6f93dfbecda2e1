//! What the sizes of buffers have to do with each other: `ngx_http_proxy_merge_loc_conf` and its kin.

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};
use crate::syntax::{Directive, NodeId};

use super::{Build, PAGE, Whole, span_of};

const MODULES: [&str; 4] = ["proxy", "fastcgi", "scgi", "uwsgi"];
const ENDINGS: [&str; 5] =
    ["buffers", "buffer_size", "busy_buffers_size", "temp_file_write_size", "max_temp_file_size"];

pub fn afterwards(whole: &Whole, build: &mut Build) {
    let mut found = Vec::new();
    // nginx compares sizes for servers and what is in them.
    let servers = build.options.fragment || whole.within(Context::SERVER).next().is_some();
    for block in whole.within(Context::IN_HTTP).filter(|_| servers) {
        for module in MODULES {
            let here = |ending: &&str| whole.own(block, &format!("{module}_{ending}")).is_some();
            if ENDINGS.iter().any(here) {
                found.extend(Sizes::of(whole, block, module).and_then(|sizes| sizes.check(module)));
            }
        }
        found.extend(headers(whole, block));
    }
    build.diagnostics.extend(found);
}

/// A size that holds, and the line that gave it.
#[derive(Clone, Copy)]
struct Size<'a> {
    value: u64,
    line: Option<&'a Directive>,
}

struct Sizes<'a> {
    count: Size<'a>,
    each: u64,
    first: Size<'a>,
    busy: Option<Size<'a>>,
    write: Option<Size<'a>>,
    most: Option<Size<'a>>,
}

impl<'a> Sizes<'a> {
    fn of(whole: &Whole<'a>, block: Option<NodeId>, module: &str) -> Option<Sizes<'a>> {
        let line = |ending: &str| whole.in_effect(block, &format!("{module}_{ending}"));
        let size = |ending: &str| {
            let line = line(ending)?;
            Some(Size { value: values::size(&line.args.first()?.value)?, line: Some(line) })
        };
        let (count, each) = match line("buffers") {
            None => (Size { value: 8, line: None }, PAGE),
            Some(line) => {
                let [count, each] = &line.args[..] else { return None };
                let count = Size { value: values::number(&count.value)?, line: Some(line) };
                (count, values::size(&each.value)?)
            }
        };
        let first = size("buffer_size").unwrap_or(Size { value: PAGE, line: None });
        let (busy, write) = (size("busy_buffers_size"), size("temp_file_write_size"));
        Some(Sizes { count, each, first, busy, write, most: size("max_temp_file_size") })
    }

    fn check(&self, module: &str) -> Option<Diagnostic> {
        let greatest = self.first.value.max(self.each);
        let of_both = format!(
            "the maximum of the value of \"{module}_buffer_size\" and one of the \"{module}_buffers\""
        );
        let at_least = format!("must be equal to or greater than {of_both}");
        let wrong = |size: &Size<'a>, message: String| self.finding(size, message);
        if self.count.value < 2 {
            return wrong(&self.count, format!("there must be at least 2 \"{module}_buffers\""));
        }
        // Unless it is written, it is twice the greatest buffer.
        let busy = self.busy.unwrap_or(Size { value: 2 * greatest, line: None });
        if busy.value < greatest {
            return wrong(&busy, format!("\"{module}_busy_buffers_size\" {at_least}"));
        }
        if busy.value > (self.count.value - 1).saturating_mul(self.each) {
            let message = format!(
                "\"{module}_busy_buffers_size\" must be less than the size of all \"{module}_buffers\" minus one buffer"
            );
            let all = self.count.value.saturating_mul(self.each);
            return wrong(&busy, message).map(|finding| {
                let finding = finding.note(format!(
                    "{} buffers of {} bytes are {all} bytes; \"{module}_busy_buffers_size\" is {} bytes",
                    self.count.value, self.each, busy.value
                ));
                match self.busy {
                    Some(_) => finding,
                    None => finding.help(format!(
                        "where it is not written it is twice the greatest buffer: raise \"{module}_buffers\" as well"
                    )),
                }
            });
        }
        if let Some(write) = self.write.filter(|write| write.value < greatest) {
            return wrong(&write, format!("\"{module}_temp_file_write_size\" {at_least}"));
        }
        let most = self.most.filter(|most| most.value != 0 && most.value < greatest)?;
        let message = format!(
            "\"{module}_max_temp_file_size\" must be equal to zero to disable temporary files usage or {at_least}"
        );
        wrong(&most, message)
    }

    /// At the line that gave a size, or the nearest to it that was written.
    fn finding(&self, size: &Size<'a>, message: String) -> Option<Diagnostic> {
        let others = [size.line, self.first.line, self.count.line, self.busy.and_then(|busy| busy.line)];
        let mut lines = others.into_iter().flatten();
        let line = lines.next()?;
        let mut finding = Diagnostic::error("buffer-sizes", span_of(line, 0), message);
        for other in lines.filter(|other| other.id != line.id) {
            if !finding.labels.iter().any(|label| label.span == span_of(other, 0)) {
                finding = finding.also(span_of(other, 0), "");
            }
        }
        Some(finding)
    }
}

/// `large_client_header_buffers` and `connection_pool_size`.
fn headers(whole: &Whole, block: Option<NodeId>) -> Option<Diagnostic> {
    const POOL: u64 = 512;
    const LARGE: u64 = 8192;
    let names = ["large_client_header_buffers", "connection_pool_size"];
    names.iter().find_map(|name| whole.own(block, name))?;
    let size = |name: &str, at: usize| {
        let line = whole.in_effect(block, name)?;
        Some((values::size(&line.args.get(at)?.value)?, line))
    };
    let large = size("large_client_header_buffers", 1);
    let pool = size("connection_pool_size", 0);
    if large.map_or(LARGE, |(size, _)| size) >= pool.map_or(POOL, |(size, _)| size) {
        return None;
    }
    let line = large.or(pool)?.1;
    let message =
        "the \"large_client_header_buffers\" size must be equal to or greater than \"connection_pool_size\"";
    Some(Diagnostic::error("buffer-sizes", span_of(line, line.args.len() - 1), message))
}
