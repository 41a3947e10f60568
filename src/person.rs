//! Words for the person who started us and waits, such as where to sign in.

use std::sync::OnceLock;

type Hearer = Box<dyn Fn(&str) + Send + Sync>;

static HEARER: OnceLock<Hearer> = OnceLock::new();

/// From now on the person hears what is told, beside the log. The first one given stays.
pub fn heard_by(hearer: impl Fn(&str) + Send + Sync + 'static) {
    let _ = HEARER.set(Box::new(hearer));
}

/// Says something that the person has to do now. It is in the log, too.
pub fn tell(text: &str) {
    log::warn!("{text}");
    if let Some(hearer) = HEARER.get() {
        hearer(text);
    }
}
