//! Reads the literals of a Bicep file, as far as an export writes any.

use std::iter::Peekable;
use std::str::Chars;

use serde_json::{Map, Value};

/// Returns the body of a resource by its symbolic name.
pub(crate) fn resource(file: &str, name: &str) -> Value {
    let start = format!("\nresource {name} ");
    let (_, rest) = file.split_once(&start).unwrap();
    let (_, body) = rest.split_once(" = ").unwrap();
    Reader(body.chars().peekable()).value()
}

struct Reader<'a>(Peekable<Chars<'a>>);

impl Reader<'_> {
    fn next(&mut self) -> char {
        self.0.next().unwrap()
    }

    fn skip_blanks(&mut self) {
        while self.0.next_if(|letter| letter.is_whitespace()).is_some() {}
    }

    fn peek(&mut self) -> char {
        self.skip_blanks();
        *self.0.peek().unwrap()
    }

    fn value(&mut self) -> Value {
        match self.peek() {
            '{' => self.object(),
            '[' => self.array(),
            '\'' => Value::String(self.text()),
            _ => Value::String(self.word()),
        }
    }

    fn object(&mut self) -> Value {
        let mut members = Map::new();
        self.next();
        while self.peek() != '}' {
            let name = if self.peek() == '\'' {
                self.text()
            } else {
                self.word()
            };
            assert_eq!(self.next(), ':');
            assert_eq!(members.insert(name, self.value()), None);
        }
        self.next();
        Value::Object(members)
    }

    fn array(&mut self) -> Value {
        let mut entries = Vec::new();
        self.next();
        while self.peek() != ']' {
            entries.push(self.value());
        }
        self.next();
        Value::Array(entries)
    }

    /// A name or an expression without operators.
    fn word(&mut self) -> String {
        let is_part = |letter: &char| letter.is_alphanumeric() || "_.()".contains(*letter);
        let mut word = String::new();
        while let Some(letter) = self.0.next_if(is_part) {
            word.push(letter);
        }
        assert!(!word.is_empty(), "no name here: {:?}", self.0.peek());
        word
    }

    fn text(&mut self) -> String {
        let mut text = String::new();
        assert_eq!(self.next(), '\'');
        loop {
            match self.next() {
                '\'' => return text,
                '\n' => panic!("a text ends on its line"),
                '$' => assert_ne!(self.0.peek(), Some(&'{'), "an expression in {text}"),
                '\\' => {
                    let escaped = self.escape();
                    text.push(escaped);
                }
                letter => text.push(letter),
            }
        }
    }

    fn escape(&mut self) -> char {
        match self.next() {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                assert_eq!(self.next(), '{');
                let digits: String = self
                    .0
                    .by_ref()
                    .take_while(|letter| *letter != '}')
                    .collect();
                char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap()
            }
            letter @ ('\\' | '\'' | '$') => letter,
            letter => panic!("Bicep knows no escape \\{letter}"),
        }
    }
}
