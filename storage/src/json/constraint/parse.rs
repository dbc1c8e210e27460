//! Reading the constraints of a request.

use super::rule::{Limit, Rule, Type};
use super::{Constraint, ConstraintFault, Constraints, Pattern};
pub(super) use crate::json::condition::echo;
use crate::json::{Kind, Number, Reader, elements_of, members_of};
use crate::limits::{CONSTRAINT_FIELDS_MAX, CONSTRAINTS_MAX};

pub(super) fn constraints<P: Pattern>(text: &str) -> Result<Constraints<P>, ConstraintFault> {
    let mut list = Vec::new();
    let mut fields = 0;
    for (at, element) in elements_of(text).ok_or(ConstraintFault::NotAnArray)?.enumerate() {
        if at == CONSTRAINTS_MAX {
            return Err(ConstraintFault::TooMany);
        }
        let constraint = Raw::read(at, element)?.constraint()?;
        if let Rule::RequiredFields(required) = &constraint.rule {
            fields += required.len();
        }
        if fields > CONSTRAINT_FIELDS_MAX {
            return Err(ConstraintFault::TooManyFields);
        }
        list.push(constraint);
    }
    Ok(Constraints { list })
}

/// One constraint as it stands in the request: the texts of its members, `None` for those absent or null.
#[derive(Default)]
struct Raw<'a> {
    at: usize,
    constraint_type: Option<&'a str>,
    value: Option<&'a str>,
    field_path: Option<&'a str>,
    error_message: Option<&'a str>,
    max_size_bytes: Option<&'a str>,
    required_fields: Option<&'a str>,
    pattern: Option<&'a str>,
}

impl<'a> Raw<'a> {
    fn read(at: usize, element: &'a str) -> Result<Raw<'a>, ConstraintFault> {
        let mut raw = Raw { at, ..Raw::default() };
        for (name, value) in members_of(element).ok_or(ConstraintFault::NotAnObject { at })? {
            let place = match &*name.decode() {
                "constraint_type" => &mut raw.constraint_type,
                "value" => &mut raw.value,
                "field_path" => &mut raw.field_path,
                "error_message" => &mut raw.error_message,
                "max_size_bytes" => &mut raw.max_size_bytes,
                "required_fields" => &mut raw.required_fields,
                "pattern" => &mut raw.pattern,
                _ => continue,
            };
            *place = (Kind::of(value) != Some(Kind::Null)).then_some(value);
        }
        Ok(raw)
    }

    fn constraint<P: Pattern>(&self) -> Result<Constraint<P>, ConstraintFault> {
        let field_path = self.field_path.map(|text| self.string("field_path", Some(text))).transpose()?;
        let message = self.error_message.map(|text| self.string("error_message", Some(text))).transpose()?;
        Ok(Constraint { rule: self.rule()?, field_path, message: message.filter(|text| !text.is_empty()) })
    }

    fn rule<P: Pattern>(&self) -> Result<Rule<P>, ConstraintFault> {
        let name = self.string("constraint_type", self.constraint_type)?;
        Ok(match name.as_str() {
            "min_value" => Rule::MinValue(self.limit()?),
            "max_value" => Rule::MaxValue(self.limit()?),
            "min_length" => Rule::MinLength(self.count("value", self.value)?),
            "max_length" => Rule::MaxLength(self.count("value", self.value)?),
            "type_check" => Rule::Type(self.type_name()?),
            "max_size" => Rule::MaxSize(self.count("max_size_bytes", self.max_size_bytes.or(self.value))?),
            "required_fields" => Rule::RequiredFields(self.fields(self.required_fields.or(self.value))?),
            "regex_pattern" => Rule::Pattern(self.compiled("value", self.value.or(self.pattern))?),
            "value_pattern" => Rule::Pattern(self.compiled("pattern", self.pattern.or(self.value))?),
            _ => return Err(ConstraintFault::UnknownType { at: self.at, name: echo(&name) }),
        })
    }

    fn limit(&self) -> Result<Limit, ConstraintFault> {
        let number = self.value.and_then(Number::parse);
        number.map(Limit::new).ok_or(self.wrong("value", "a number"))
    }

    fn count(&self, member: &'static str, text: Option<&str>) -> Result<u64, ConstraintFault> {
        let number = text.and_then(Number::parse).and_then(Number::to_u64);
        number.ok_or(self.wrong(member, "an integer of 0 or more"))
    }

    fn type_name(&self) -> Result<Type, ConstraintFault> {
        const NAMES: &str = "string, number, integer, boolean, object or array";
        Type::parse(&self.string("value", self.value)?).ok_or(self.wrong("value", NAMES))
    }

    fn fields(&self, text: Option<&str>) -> Result<Vec<String>, ConstraintFault> {
        const EXPECTED: &str = "an array of strings";
        let elements = text.and_then(elements_of).ok_or(self.wrong("required_fields", EXPECTED))?;
        let mut fields = Vec::new();
        for element in elements {
            if fields.len() == CONSTRAINT_FIELDS_MAX {
                return Err(ConstraintFault::TooManyFields);
            }
            let name =
                Reader::new(element).string("").map_err(|_| self.wrong("required_fields", EXPECTED))?;
            fields.push(name.decode().into_owned());
        }
        Ok(fields)
    }

    fn compiled<P: Pattern>(&self, member: &'static str, text: Option<&str>) -> Result<P, ConstraintFault> {
        let pattern = self.string(member, text)?;
        P::compile(&pattern).map_err(|reason| ConstraintFault::Pattern { at: self.at, reason })
    }

    fn string(&self, member: &'static str, text: Option<&str>) -> Result<String, ConstraintFault> {
        let read = text.and_then(|text| Reader::new(text).string("").ok());
        read.map(|text| text.decode().into_owned()).ok_or(self.wrong(member, "a string"))
    }

    fn wrong(&self, member: &'static str, expected: &'static str) -> ConstraintFault {
        ConstraintFault::Member { at: self.at, member, expected }
    }
}
