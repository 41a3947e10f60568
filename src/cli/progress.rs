//! The line that shows a waiting person how far it is. Nothing is shown when standard error is no terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::daemon::control::{Progress, human_bytes};

pub struct ProgressLine(ProgressBar);

impl ProgressLine {
    pub fn new(what: &str) -> ProgressLine {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{spinner} {prefix}: {msg} [{bar:30}]");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        ProgressLine(bar)
    }

    pub fn show(&self, progress: &Progress) {
        let Progress { changes_left, failed, bytes_sent, bytes_total } = *progress;
        self.0.set_length(bytes_total);
        self.0.set_position(bytes_sent.min(bytes_total));
        let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
        let (sent, total) = (human_bytes(bytes_sent), human_bytes(bytes_total));
        self.0.set_message(format!("{changes_left} changes left{failed}, {sent} of {total}"));
    }
}

/// The line goes away; what follows is printed in its place.
impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
