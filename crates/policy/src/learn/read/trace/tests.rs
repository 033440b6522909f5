//! Which requests are put together, and that each is told once.

use super::super::read_line;
use super::*;

/// What the deployed agent notes of one request, in its order.
const PARTS: [&str; 4] = [
    "Got request from 127.0.0.1:1 for GET /metadata/instance",
    "Use lookup value:169.254.169.254:80.",
    r#"{"userName":"a","processFullPath":"/usr/bin/a","runAsElevated":false}"#,
    "Http connection finished with status code: 200 OK.",
];

const RECORD: &str = r#"{"method":"GET","url":"/metadata/instance","ip":"169.254.169.254","port":80,"userName":"a","processFullPath":"/usr/bin/a","responseStatus":"200 OK"}"#;

/// Reads the lines of one request each.
fn read(assembler: &mut Assembler, id: u64, texts: &[&str]) -> Vec<Line<'static>> {
    let lines = texts.iter().map(|text| format!("{id}[7] - {text}"));
    let read = lines.map(|line| assembler.take(read_line(line.as_bytes())).into_owned());
    read.collect()
}

fn samples(lines: &[Line<'_>]) -> usize {
    lines
        .iter()
        .filter(|line| matches!(line, Line::Sample(..)))
        .count()
}

#[test]
fn request_in_parts_is_told_once_with_its_record() {
    let mut assembler = Assembler::default();
    let lines = read(&mut assembler, 1, &PARTS);
    assert_eq!((samples(&lines), assembler.incomplete()), (1, 0));
    assert_eq!(read(&mut assembler, 1, &[RECORD]), [Line::Duplicate]);
}

#[test]
fn request_whose_record_comes_before_its_status_is_told_once() {
    let mut assembler = Assembler::default();
    let [received, place, claims, finished] = PARTS;
    let lines = read(
        &mut assembler,
        1,
        &[received, place, claims, RECORD, finished],
    );
    assert_eq!((samples(&lines), assembler.incomplete()), (1, 0));
}

#[test]
fn request_that_lacks_a_part_is_incomplete_until_its_record_tells_it() {
    let mut assembler = Assembler::default();
    let [received, _, claims, finished] = PARTS;
    let lines = read(&mut assembler, 1, &[received, claims, finished]);
    assert_eq!((samples(&lines), assembler.incomplete()), (0, 1));
    assert_eq!(samples(&read(&mut assembler, 1, &[RECORD])), 1);
    assert_eq!(assembler.incomplete(), 0);
}

#[test]
fn request_whose_id_is_given_anew_is_incomplete() {
    let mut assembler = Assembler::default();
    let [received, _, _, finished] = PARTS;
    read(&mut assembler, 1, &[received, received, finished, received]);
    assert_eq!(assembler.incomplete(), 3);
    read(&mut assembler, 1, &PARTS);
    assert_eq!(assembler.incomplete(), 3);
}

#[test]
fn records_after_a_restart_are_known_as_duplicates() {
    let mut assembler = Assembler::default();
    for id in (5000..7000).chain(0..10) {
        assert_eq!(samples(&read(&mut assembler, id, &PARTS)), 1);
        assert_eq!(
            read(&mut assembler, id, &[RECORD]),
            [Line::Duplicate],
            "{id}"
        );
    }
}

#[test]
fn open_requests_are_bounded_and_those_left_out_are_counted() {
    let mut assembler = Assembler::default();
    for id in 0..5000 {
        read(&mut assembler, id, &PARTS[..1]);
        assert!(assembler.open.len() <= 1024);
    }
    assert_eq!(assembler.incomplete(), 5000);
}

#[test]
fn part_that_is_too_large_to_keep_leaves_its_request_incomplete() {
    let mut assembler = Assembler::default();
    let [_, place, claims, finished] = PARTS;
    let long = format!("Got request from a for GET /{}", "a".repeat(17_000));
    let lines = read(&mut assembler, 1, &[&long, place, claims, finished]);
    assert_eq!((samples(&lines), assembler.incomplete()), (0, 1));
    let long = format!(
        r#"{{"userName":"{}","processFullPath":"/a"}}"#,
        "a".repeat(17_000)
    );
    let lines = read(&mut assembler, 2, &[PARTS[0], place, &long, finished]);
    assert_eq!((samples(&lines), assembler.incomplete()), (0, 2));
}
