//! From the text of a query to tokens with their places.

use serde_json::Value;

use crate::sim::arm::resource_graph::failure::Failure;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lexeme {
    /// A name or an operator in letters; `in~` is one word.
    Word(String),
    /// A text or a number.
    Literal(Value),
    Symbol(&'static str),
    End,
}

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) lexeme: Lexeme,
    /// As it was written.
    pub(super) text: String,
    /// Line, from 1, and character in it, from 0.
    pub(super) place: (usize, usize),
}

/// Longer ones first.
const SYMBOLS: [&str; 12] = ["==", "=~", "!=", "!~", "|", "=", "(", ")", ",", ".", "[", "]"];

struct Lexer {
    letters: Vec<char>,
    at: usize,
    place: (usize, usize),
}

/// Reads all tokens; the last one is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Failure> {
    let mut lexer = Lexer { letters: text.chars().collect(), at: 0, place: (1, 0) };
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next()?;
        let is_end = token.lexeme == Lexeme::End;
        tokens.push(token);
        if is_end {
            return Ok(tokens);
        }
    }
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.letters.get(self.at + ahead).copied()
    }

    fn advance(&mut self) -> Option<char> {
        let letter = self.peek(0)?;
        self.at += 1;
        self.place = if letter == '\n' { (self.place.0 + 1, 0) } else { (self.place.0, self.place.1 + 1) };
        Some(letter)
    }

    fn skip_space(&mut self) {
        while let Some(letter) = self.peek(0) {
            let is_comment = letter == '/' && self.peek(1) == Some('/');
            if is_comment {
                while self.peek(0).is_some_and(|letter| letter != '\n') {
                    self.advance();
                }
            } else if letter.is_whitespace() {
                self.advance();
            } else {
                return;
            }
        }
    }

    fn next(&mut self) -> Result<Token, Failure> {
        self.skip_space();
        let (from, place) = (self.at, self.place);
        let lexeme = match self.peek(0) {
            None => Lexeme::End,
            Some('\'' | '"') => self.text(place)?,
            Some('@') if matches!(self.peek(1), Some('\'' | '"')) => self.verbatim(place)?,
            Some(letter) if letter.is_ascii_digit() => self.number(place)?,
            Some(letter) if is_word(letter) => self.word(),
            Some(letter) => self.symbol(letter, place)?,
        };
        Ok(Token { lexeme, text: self.letters[from..self.at].iter().collect(), place })
    }

    /// Operators may have hyphens (`project-away`); there is no minus that could be meant.
    fn word(&mut self) -> Lexeme {
        let mut word = String::new();
        while let Some(letter) = self.peek(0) {
            let is_inner_hyphen = letter == '-' && self.peek(1).is_some_and(|next| next.is_ascii_alphabetic());
            if !is_word(letter) && !is_inner_hyphen {
                break;
            }
            word.push(letter);
            self.advance();
        }
        if self.peek(0) == Some('~') {
            word.push('~');
            self.advance();
        }
        Lexeme::Word(word)
    }

    fn number(&mut self, place: (usize, usize)) -> Result<Lexeme, Failure> {
        let mut digits = String::new();
        while let Some(letter) = self.peek(0).filter(|letter| is_word(*letter) || *letter == '.') {
            digits.push(letter);
            self.advance();
        }
        let whole = digits.parse::<u64>().ok().map(Value::from);
        let parsed = whole.or_else(|| {
            let plain = digits.chars().all(|letter| letter.is_ascii_digit() || letter == '.');
            digits.parse::<f64>().ok().filter(|_| plain).map(Value::from)
        });
        parsed.map(Lexeme::Literal).ok_or_else(|| Failure::parser(&digits, place, "a number"))
    }

    fn text(&mut self, place: (usize, usize)) -> Result<Lexeme, Failure> {
        let quote = self.advance();
        let mut text = String::new();
        loop {
            match self.advance() {
                None | Some('\n') => return Err(unfinished(quote, &text, place)),
                letter if letter == quote => return Ok(Lexeme::Literal(text.into())),
                Some('\\') => match self.advance() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(letter @ ('\\' | '\'' | '"')) => text.push(letter),
                    other => {
                        let token = format!("\\{}", other.map(String::from).unwrap_or_default());
                        return Err(Failure::parser(&token, place, "an escape sequence"));
                    }
                },
                Some(letter) => text.push(letter),
            }
        }
    }

    /// `@'…'`: without escapes; a doubled quote is one.
    fn verbatim(&mut self, place: (usize, usize)) -> Result<Lexeme, Failure> {
        self.advance();
        let quote = self.advance();
        let mut text = String::new();
        loop {
            match self.advance() {
                None => return Err(unfinished(quote, &text, place)),
                letter if letter == quote && self.peek(0) != quote => return Ok(Lexeme::Literal(text.into())),
                letter if letter == quote => {
                    self.advance();
                    text.extend(letter);
                }
                Some(letter) => text.push(letter),
            }
        }
    }

    fn symbol(&mut self, letter: char, place: (usize, usize)) -> Result<Lexeme, Failure> {
        let starts = |symbol: &&str| symbol.chars().enumerate().all(|(ahead, own)| self.peek(ahead) == Some(own));
        let Some(symbol) = SYMBOLS.into_iter().find(starts) else {
            return Err(Failure::parser(&letter.to_string(), place, "an operator"));
        };
        for _ in symbol.chars() {
            self.advance();
        }
        Ok(Lexeme::Symbol(symbol))
    }
}

fn unfinished(quote: Option<char>, text: &str, place: (usize, usize)) -> Failure {
    let quote = quote.map(String::from).unwrap_or_default();
    Failure::parser(&format!("{quote}{text}"), place, &quote)
}
