use std::path::Path;
include!("walk.inc");
use wsproxy::{
    diagnostics::{Severity, text},
    directive::fragment,
    source::Disk,
    syntax::Reader,
};
fn main() {
    let mut verbose = false;
    let mut bad = false;
    for a in std::env::args().skip(1) {
        if a == "-v" {
            verbose = true;
            continue;
        }
        let p = Path::new(&a);
        let mut r = Reader::new(p.parent().unwrap(), &Disk);
        r.file(p);
        let (tree, mut found) = r.finish();
        let w = fragment::whereabouts(&tree);
        walk(&tree, w.context, &mut found, &mut |_, _, _, _| {});
        if verbose {
            println!("{a}: {w:?}");
            print!("{}", text::render_all(&found, &tree.sources, false));
        }
        for d in &found {
            if d.severity == Severity::Error {
                bad = true;
                println!(
                    "{}\t{}\tError\t{}",
                    tree.sources.get(d.span().file).name,
                    tree.sources.line(d.span()),
                    d.message
                );
            }
        }
    }
    std::process::exit(bad as i32);
}
