//! Documents: PDF 1.4, one A4 page of text per slice of lines.

/// Lines of each page; ASCII only, as the standard font's encoding is left at its default.
pub fn document(pages: &[&[&str]]) -> Vec<u8> {
    // Objects 1 to 3 are catalogue, page tree and font; each page adds itself and its content.
    let page_numbers: Vec<_> = (0..pages.len()).map(|page| 4 + 2 * page).collect();
    let kids: Vec<_> = page_numbers.iter().map(|number| format!("{number} 0 R")).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{}] /Count {} >>", kids.join(" "), kids.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    for (lines, number) in pages.iter().zip(page_numbers) {
        let content = number + 1;
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] \
             /Resources << /Font << /F1 3 0 R >> >> /Contents {content} 0 R >>"
        ));
        let text = page_text(lines);
        objects.push(format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len()));
    }
    with_cross_references(&objects)
}

fn page_text(lines: &[&str]) -> String {
    let mut text = String::from("BT /F1 12 Tf 16 TL 60 780 Td");
    for line in lines {
        let escaped = line.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)");
        text.push_str(&format!("\n({escaped}) Tj T*"));
    }
    text + "\nET"
}

fn with_cross_references(objects: &[String]) -> Vec<u8> {
    let mut pdf = String::from("%PDF-1.4\n");
    let mut table = String::from("0000000000 65535 f \n");
    for (place, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", pdf.len()));
        pdf.push_str(&format!("{} 0 obj\n{object}\nendobj\n", place + 1));
    }
    let (start, size) = (pdf.len(), objects.len() + 1);
    pdf.push_str(&format!(
        "xref\n0 {size}\n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    ));
    pdf.into_bytes()
}
