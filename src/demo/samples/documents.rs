//! The sample documents' contents.

use super::sheet::Cell::{Number, Text};
use super::{pdf, png, sheet};

pub fn style_guide() -> Vec<u8> {
    pdf::document(&[
        &["Style guide", "", "Headlines: 28 pt, dark blue.", "Text: 16 pt (18 pt on large screens)."],
        &["Logo", "", "Keep a free space of one letter height around it.", "Never stretch it."],
    ])
}

pub fn floor_plan(page: &str) -> Vec<u8> {
    pdf::document(&[&["Floor plan", page, "", "Reception, 4 offices, 1 meeting room."]])
}

pub fn contract() -> Vec<u8> {
    pdf::document(&[&["Removal contract", "", "Date of the move: 14 June", "Signed by both parties."]])
}

/// The home page, in daylight or in the dark.
pub fn home_page(dark: bool) -> Vec<u8> {
    match dark {
        false => png::gradient(320, 200, [250, 250, 245], [60, 130, 200]),
        true => png::gradient(320, 200, [10, 15, 30], [70, 50, 110]),
    }
}

pub fn logo() -> Vec<u8> {
    png::gradient(64, 64, [255, 180, 0], [200, 30, 60])
}

/// The project plan; each revision knows more tasks.
pub fn project_plan(tasks: usize) -> Vec<u8> {
    let known = [("Concept", 5.0), ("Design & mock-ups", 12.0), ("Implementation", 30.0), ("Launch", 2.5)];
    let mut rows = vec![vec![Text("Task"), Text("Days")]];
    rows.extend(known.into_iter().take(tasks).map(|(task, days)| vec![Text(task), Number(days)]));
    sheet::workbook(&rows)
}

/// The minutes as they grew, one revision per meeting.
pub fn minutes() -> Vec<Vec<u8>> {
    let first = "# Minutes\n\n## 14 May\n\n- Kick-off. Grace draws the home page.\n".to_owned();
    let second = format!("{first}\n## 21 May\n\n- Two drafts shown; the second one wins.\n");
    let third = format!("{second}\n## 28 May\n\n- Texts are late. Alan calls the editors.\n");
    [first, second, third].map(String::into_bytes).to_vec()
}

pub fn budget() -> Vec<Vec<u8>> {
    let old = "item,planned,spent\nDesign,12000,9800\nHosting,1200,0\n";
    let new = "item,planned,spent\nDesign,12000,11950\nHosting,1200,300\nPhotos,900,900\n";
    vec![old.into(), new.into()]
}

/// Some hundred kilobytes of lines, so that not every sample fits into one block.
pub fn access_log() -> Vec<u8> {
    let line = |n: u32| format!("10.0.{}.{} GET /page/{} 200 {}\n", n % 7, n % 251, n % 97, 500 + n * 37 % 9000);
    (0..8000).map(line).collect::<String>().into_bytes()
}
