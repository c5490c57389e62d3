//! The chart's README has a table of its values, made of the comments in `values.yaml`. `make chart-readme` writes it.

use super::file;
use super::values::documented;

const README: &str = "charts/tagseal/README.md";
const BEGIN: &str = "<!-- values: made of values.yaml by `make chart-readme` -->\n";
const END: &str = "<!-- end of values -->\n";

fn table() -> String {
    let mut table = "| value | default | meaning |\n|---|---|---|\n".to_owned();
    for value in documented() {
        let cell = |text: &str| text.replace('|', "\\|");
        let default = cell(&value.default.to_string());
        table.push_str(&format!("| `{}` | `{default}` | {} |\n", value.path, cell(&value.meaning)));
    }
    table
}

#[test]
fn the_table_in_the_readme_is_what_the_comments_say() {
    let readme = file(README);
    let (before, rest) = readme.split_once(BEGIN).expect("the table's beginning");
    let (_, after) = rest.split_once(END).expect("the table's end");
    let current = format!("{before}{BEGIN}\n{}\n{END}{after}", table());
    if std::env::var_os("TAGSEAL_WRITE").is_some() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(README);
        std::fs::write(path, &current).unwrap();
        return;
    }
    assert!(readme == current, "{README} is not what values.yaml says; run `make chart-readme`");
}
