//! Progress on stderr: a bar on a terminal, plain lines elsewhere, no colour with `NO_COLOR`.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// One long piece of work with a known size.
pub struct Progress {
    bar: Option<ProgressBar>,
    name: String,
}

impl Progress {
    /// Starts showing `name` with `total` steps.
    pub fn start(name: &str, total: u64) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = if std::env::var_os("NO_COLOR").is_some() {
                "{msg} [{bar:30}] {percent}% {eta}"
            } else {
                "{msg} [{bar:30.cyan}] {percent}% {eta}"
            };
            let style = ProgressStyle::with_template(template).expect("the template is a constant");
            ProgressBar::new(total).with_style(style).with_message(name.to_owned())
        });
        if bar.is_none() {
            eprintln!("{name} ...");
        }
        Progress { bar, name: name.to_owned() }
    }

    /// `done` steps are behind us.
    pub fn at(&self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    /// The work is over; `words` say how it went.
    pub fn end(self, words: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        eprintln!("{}: {words}", self.name);
    }
}
