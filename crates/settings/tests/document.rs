//! What is told of a text that does not fit, and where.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use latchkey_settings::{Document, Misfit, Place};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Garden {
    name: String,
    size: u8,
    beds: Vec<Bed>,
    notes: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bed {
    plant: String,
    #[serde(default)]
    depth: u8,
}

fn told(misfits: &[Misfit]) -> Vec<String> {
    let line = |misfit: &Misfit| match misfit.place {
        Some(place) => format!("{place}: {}", misfit.message),
        None => misfit.message.clone(),
    };
    misfits.iter().map(line).collect()
}

fn read(text: &str) -> (Garden, Vec<String>) {
    let (garden, misfits) = Document::parse(text).unwrap().read();
    (garden.unwrap(), told(&misfits))
}

/// Returns the places of what is told, in the order of the text.
fn places(told: &[String]) -> Vec<String> {
    let mut places: Vec<(usize, usize)> = told
        .iter()
        .map(|line| {
            let mut numbers = line.splitn(3, ':').map(|number| number.parse().ok());
            (
                numbers.next().unwrap().unwrap(),
                numbers.next().unwrap().unwrap(),
            )
        })
        .collect();
    places.sort_unstable();
    places
        .iter()
        .map(|(line, column)| format!("{line}:{column}"))
        .collect()
}

#[test]
fn everything_that_does_not_fit_is_told_once_and_the_rest_is_read() {
    let (garden, told) = read(
        "name = 5\nsize = 300\ncolour = \"red\"\n[[beds]]\ndepth = 1\n[[beds]]\nplant = \"bean\"\n\
         depth = \"deep\"\n[[beds]]\nplant = 1\n[notes]\na = \"b\"\nc = []\n",
    );
    assert_eq!(
        places(&told),
        ["1:8", "2:8", "3:1", "4:1", "8:9", "10:9", "13:5"],
        "{told:?}"
    );
    let beds: Vec<_> = garden
        .beds
        .iter()
        .map(|bed| (bed.plant.as_str(), bed.depth))
        .collect();
    assert_eq!(
        (beds, garden.notes.len(), garden.size),
        (vec![("bean", 0)], 1, 0)
    );
    assert!(garden.name.is_empty());
}

#[test]
fn list_in_place_of_something_else_is_told_once() {
    let (_, told) = read("[[notes]]\na = 1\n[[notes]]\na = 2\n");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("1:1: invalid type"), "{told:?}");
}

#[test]
fn carriage_returns_other_scripts_and_the_byte_order_mark_do_not_move_columns() {
    let (_, told) = read("\u{feff}size = 300\r\n\r\nnotes = { \"größe\" = \"ü\", \"ß\" = 1 }\r\n");
    assert_eq!(places(&told), ["1:8", "3:32"], "{told:?}");
}

#[test]
fn everything_that_is_no_toml_is_told_with_its_place() {
    let misfits = Document::parse("a = 1\r\nä = 2\r\na = 3\r\n[b]\r\n[b]\r\nc d\r\n").unwrap_err();
    let told = told(&misfits);
    for expected in [
        "3:1: duplicate key",
        "5:2: duplicate key",
        "2:1: invalid unquoted key",
    ] {
        assert!(
            told.iter().any(|line| line.starts_with(expected)),
            "{expected} in {told:?}"
        );
    }
    assert!(told.iter().any(|line| line.starts_with("6:")), "{told:?}");
}

#[derive(Debug, Deserialize)]
struct Whole {
    #[serde(rename = "needed")]
    _needed: u8,
}

#[test]
fn what_the_whole_text_lacks_stands_nowhere() {
    let (whole, misfits) = Document::parse("a = 1\n").unwrap().read::<Whole>();
    assert!(whole.is_none());
    assert_eq!(told(&misfits), ["missing field `needed`"]);
    let (_, misfits) = Document::parse("needed = \"x\"\n").unwrap().read::<Whole>();
    assert_eq!(misfits.len(), 1, "{misfits:?}");
}

#[test]
fn field_that_something_was_taken_out_of_is_not_whole() {
    let text = "size = \"x\"\nname = \"a\"\n[[beds]]\nplant = \"pea\"\n[[beds]]\nplant = 1\n\
                [notes]\na = 1\n";
    let mut document = Document::parse(text).unwrap();
    assert!(document.is_whole("size"));
    assert_eq!(document.read::<Garden>().1.len(), 3);
    let whole = ["name", "colour", "beds.0", "beds.0.depth", "notes.b"];
    let lacking = ["size", "beds", "notes", "notes.a"];
    assert!(whole.iter().all(|field| document.is_whole(field)));
    assert!(!lacking.iter().any(|field| document.is_whole(field)));
    assert_eq!(
        document.place_of("beds.0.plant"),
        Some(Place { line: 4, column: 9 })
    );
    assert_eq!(document.place_of("size"), None);
}
