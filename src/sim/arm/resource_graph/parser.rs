//! From tokens to a query. Names are resolved on the way: after `project` only what it named is left.
//!
//! ```text
//!  query      [table |] step { | step }
//!  predicate  all { or all };  all  one { and one };  one  not( predicate ) | ( predicate ) | comparison
//!  comparison scalar [ == =~ != !~ contains startswith has scalar | in in~ ( literals ) ]
//!  scalar     literal | column { .name | ['name'] | [0] } | tostring( scalar ) | tolower( scalar )
//! ```

use serde_json::Value;

use crate::sim::arm::resource_graph::failure::Failure;
use crate::sim::arm::resource_graph::lexer::{self, Lexeme, Token};
use crate::sim::arm::resource_graph::query::{COLUMNS, Comparison, Key, Part, Predicate, Query, Scalar, Step, Table};

/// Parentheses within parentheses, so that no query exhausts the stack.
const DEPTH: usize = 50;

const STEPS: [&str; 9] = ["where", "project", "extend", "distinct", "order", "sort", "limit", "take", "count"];

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// The columns that there are at this place.
    columns: Vec<String>,
    /// The operator that is being read.
    operator: String,
}

/// Reads a query.
pub(super) fn parse(text: &str) -> Result<Query, Failure> {
    let columns = COLUMNS.iter().map(|name| (*name).to_owned()).collect();
    let mut parser = Parser { tokens: lexer::tokens(text)?, at: 0, depth: 0, columns, operator: "query".to_owned() };
    let (table, mut steps) = (parser.table()?, Vec::new());
    let starts_with_table = parser.at > 0;
    if !starts_with_table {
        steps.push(parser.step()?);
    }
    while parser.takes("|") {
        steps.push(parser.step()?);
    }
    match parser.peek().lexeme {
        Lexeme::End => Ok(Query { table, steps, columns: parser.columns }),
        _ => Err(parser.unexpected("|")),
    }
}

impl Parser {
    fn peek(&self) -> &Token {
        // The last token is the end, and nothing goes past it.
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn unexpected(&self, expected: &str) -> Failure {
        let token = self.peek();
        let text = if token.lexeme == Lexeme::End { "<EOF>" } else { &token.text };
        Failure::parser(text, token.place, expected)
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek().lexeme, Lexeme::Symbol(own) if own == symbol)
    }

    fn takes(&mut self, symbol: &str) -> bool {
        let is = self.is_symbol(symbol);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Failure> {
        if self.takes(symbol) { Ok(()) } else { Err(self.unexpected(symbol)) }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.peek().lexeme, Lexeme::Word(own) if own == word)
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is = self.is_word(word);
        self.at += usize::from(is);
        is
    }

    fn word(&mut self, expected: &str) -> Result<String, Failure> {
        match &self.peek().lexeme {
            Lexeme::Word(word) => {
                let word = word.clone();
                self.at += 1;
                Ok(word)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    /// A query that begins with an operator is about resources.
    fn table(&mut self) -> Result<Table, Failure> {
        let Lexeme::Word(word) = &self.peek().lexeme else { return Err(self.unexpected("a table")) };
        if STEPS.contains(&word.as_str()) {
            return Ok(Table::Resources);
        }
        let table = Table::find(word).ok_or_else(|| Failure::table(word))?;
        self.at += 1;
        Ok(table)
    }

    fn step(&mut self) -> Result<Step, Failure> {
        let word = self.word("an operator")?;
        self.operator.clone_from(&word);
        match word.as_str() {
            "where" => Ok(Step::Where(self.predicate()?)),
            "project" => {
                let named = self.named_values()?;
                self.columns = named.iter().map(|(name, _)| name.clone()).collect();
                Ok(Step::Project(named))
            }
            "distinct" => {
                let named = self.named_values()?;
                self.columns = named.iter().map(|(name, _)| name.clone()).collect();
                Ok(Step::Distinct(named))
            }
            "extend" => {
                let named = self.named_values()?;
                for (name, _) in &named {
                    if !self.columns.contains(name) {
                        self.columns.push(name.clone());
                    }
                }
                Ok(Step::Extend(named))
            }
            "order" | "sort" => self.order(),
            "limit" | "take" => self.limit(),
            "count" => {
                self.columns = vec!["Count".to_owned()];
                Ok(Step::Count)
            }
            other => Err(Failure::unsupported(other)),
        }
    }

    fn limit(&mut self) -> Result<Step, Failure> {
        let Lexeme::Literal(value) = &self.peek().lexeme else { return Err(self.unexpected("a number")) };
        let Some(limit) = value.as_u64() else { return Err(self.unexpected("a number")) };
        self.at += 1;
        Ok(Step::Limit(usize::try_from(limit).unwrap_or(usize::MAX)))
    }

    /// Descending, unless it says otherwise; nulls are smallest.
    fn order(&mut self) -> Result<Step, Failure> {
        if !self.takes_word("by") {
            return Err(self.unexpected("by"));
        }
        let mut keys = Vec::new();
        loop {
            let value = self.scalar()?;
            let is_ascending = self.takes_word("asc");
            let is_descending = !is_ascending;
            if is_descending {
                self.takes_word("desc");
            }
            let mut nulls_first = is_ascending;
            if self.takes_word("nulls") {
                nulls_first = self.takes_word("first");
                if !nulls_first && !self.takes_word("last") {
                    return Err(self.unexpected("first or last"));
                }
            }
            keys.push(Key { value, is_descending, nulls_first });
            if !self.takes(",") {
                return Ok(Step::Order(keys));
            }
        }
    }

    /// `name = value, value, …`
    fn named_values(&mut self) -> Result<Vec<(String, Scalar)>, Failure> {
        let mut named: Vec<(String, Scalar)> = Vec::new();
        loop {
            let from = self.peek().clone();
            let next = self.tokens.get(self.at + 1).map(|token| &token.lexeme);
            let given = match (&from.lexeme, next) {
                (Lexeme::Word(name), Some(Lexeme::Symbol("="))) => {
                    let name = name.clone();
                    self.at += 2;
                    Some(name)
                }
                _ => None,
            };
            let value = self.scalar()?;
            let name = given.or_else(|| value.own_name());
            let name = name.ok_or_else(|| Failure::parser(&from.text, from.place, "a name and ="))?;
            if named.iter().any(|(own, _)| *own == name) {
                return Err(Failure::parser(&from.text, from.place, "a column that is not there yet"));
            }
            named.push((name, value));
            if !self.takes(",") {
                return Ok(named);
            }
        }
    }

    /// Reads something one level deeper.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        if self.depth == DEPTH {
            return Err(self.unexpected("less nesting"));
        }
        self.depth += 1;
        let found = read(self);
        self.depth -= 1;
        found
    }

    fn predicate(&mut self) -> Result<Predicate, Failure> {
        let first = self.all()?;
        if !self.is_word("or") {
            return Ok(first);
        }
        let mut any = vec![first];
        while self.takes_word("or") {
            any.push(self.all()?);
        }
        Ok(Predicate::Any(any))
    }

    fn all(&mut self) -> Result<Predicate, Failure> {
        let first = self.one()?;
        if !self.is_word("and") {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.takes_word("and") {
            all.push(self.one()?);
        }
        Ok(Predicate::All(all))
    }

    fn one(&mut self) -> Result<Predicate, Failure> {
        let is_not = self.takes_word("not");
        if is_not && !self.is_symbol("(") {
            return Err(self.unexpected("("));
        }
        if !self.takes("(") {
            return self.comparison();
        }
        let inner = self.deeper(Self::predicate)?;
        self.expect(")")?;
        Ok(if is_not { Predicate::Not(Box::new(inner)) } else { inner })
    }

    fn comparison(&mut self) -> Result<Predicate, Failure> {
        let left = self.scalar()?;
        let how = match &self.peek().lexeme {
            Lexeme::Symbol("==") => Comparison::Equal,
            Lexeme::Symbol("=~") => Comparison::EqualFolded,
            Lexeme::Symbol("!=") => Comparison::NotEqual,
            Lexeme::Symbol("!~") => Comparison::NotEqualFolded,
            Lexeme::Word(word) => match word.as_str() {
                "contains" => Comparison::Contains,
                "startswith" => Comparison::StartsWith,
                "has" => Comparison::Has,
                "in" | "in~" => {
                    let folds_case = word == "in~";
                    self.at += 1;
                    return Ok(Predicate::OneOf { value: left, list: self.literals()?, folds_case });
                }
                "and" | "or" => return Ok(Predicate::Holds(left)),
                _ => return Err(self.unexpected("a comparison")),
            },
            _ => return Ok(Predicate::Holds(left)),
        };
        self.at += 1;
        Ok(Predicate::Compare { left, how, right: self.scalar()? })
    }

    fn literals(&mut self) -> Result<Vec<Value>, Failure> {
        self.expect("(")?;
        let mut list = Vec::new();
        loop {
            match self.scalar()? {
                Scalar::Literal(value) => list.push(value),
                _ => {
                    self.at -= 1;
                    return Err(self.unexpected("a literal"));
                }
            }
            if !self.takes(",") {
                self.expect(")")?;
                return Ok(list);
            }
        }
    }

    fn scalar(&mut self) -> Result<Scalar, Failure> {
        let token = self.peek().clone();
        let word = match token.lexeme {
            Lexeme::Literal(value) => {
                self.at += 1;
                return Ok(Scalar::Literal(value));
            }
            Lexeme::Word(word) => word,
            Lexeme::Symbol(_) | Lexeme::End => return Err(self.unexpected("a value")),
        };
        self.at += 1;
        if self.is_symbol("(") {
            return self.call(&word);
        }
        match word.as_str() {
            "true" => Ok(Scalar::Literal(true.into())),
            "false" => Ok(Scalar::Literal(false.into())),
            _ if self.columns.contains(&word) => Ok(Scalar::Path { column: word, parts: self.parts()? }),
            _ => Err(Failure::unresolved(&self.operator, &word)),
        }
    }

    fn call(&mut self, function: &str) -> Result<Scalar, Failure> {
        if !matches!(function, "tostring" | "tolower") {
            return Err(Failure::unsupported(function));
        }
        self.expect("(")?;
        let inner = Box::new(self.deeper(Self::scalar)?);
        self.expect(")")?;
        Ok(if function == "tostring" { Scalar::ToText(inner) } else { Scalar::ToLower(inner) })
    }

    /// `.name`, `['name']`, `[0]`.
    fn parts(&mut self) -> Result<Vec<Part>, Failure> {
        let mut parts = Vec::new();
        loop {
            if self.takes(".") {
                parts.push(Part::Key(self.word("a name")?));
            } else if self.takes("[") {
                let part = match &self.peek().lexeme {
                    Lexeme::Literal(Value::String(key)) => Part::Key(key.clone()),
                    Lexeme::Literal(index) => match index.as_u64().and_then(|index| usize::try_from(index).ok()) {
                        Some(index) => Part::Index(index),
                        None => return Err(self.unexpected("a whole number")),
                    },
                    _ => return Err(self.unexpected("a name in quotes or a number")),
                };
                self.at += 1;
                parts.push(part);
                self.expect("]")?;
            } else {
                return Ok(parts);
            }
        }
    }
}
