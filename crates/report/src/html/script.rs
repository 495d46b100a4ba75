//! The page's script: files with one idea each, in one scope.

/// The files in an order in which each uses only what stands before it.
const FILES: [&str; 12] = [
    include_str!("script/number.js"),
    include_str!("script/element.js"),
    include_str!("script/scale.js"),
    include_str!("script/copy.js"),
    include_str!("script/panel.js"),
    include_str!("script/reading.js"),
    include_str!("script/controls.js"),
    include_str!("script/chart.js"),
    include_str!("script/table.js"),
    include_str!("script/choice.js"),
    include_str!("script/theme.js"),
    include_str!("script/main.js"),
];

/// The script, without comments.
pub fn all() -> String {
    let lines = FILES.iter().flat_map(|file| file.lines());
    let code: Vec<&str> = lines.filter(|line| !line.trim_start().starts_with("//")).collect();
    format!("(() => {{\n\"use strict\";\n{}\n}})();", code.join("\n"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_script_cannot_end_early() {
        assert!(!super::all().contains("</") && !super::all().contains("<!--"));
    }
}
