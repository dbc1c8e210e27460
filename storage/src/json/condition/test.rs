//! One operator with its operands, ready to be compared.

use super::{ConditionFault, echo};
use crate::json::canonical::{NUMBER, STRING, canonical};
use crate::json::{elements_of, members_of};
use crate::limits::CONDITION_CHOICES_MAX;

/// What a fact is compared with: canonical bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Test {
    operator: Operator,
    /// One operand, or the choices of [`Operator::In`] and [`Operator::NotIn`].
    operands: Vec<Box<[u8]>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

impl Operator {
    fn parse(word: &str) -> Option<Operator> {
        Some(match word {
            "$eq" => Operator::Equal,
            "$ne" => Operator::NotEqual,
            "$lt" => Operator::Less,
            "$lte" => Operator::LessOrEqual,
            "$gt" => Operator::Greater,
            "$gte" => Operator::GreaterOrEqual,
            "$in" => Operator::In,
            "$nin" => Operator::NotIn,
            _ => return None,
        })
    }
}

impl Test {
    /// Hands to `push` the tests that the condition `value` makes of the field `name`: one for a bare value,
    /// one for each operator otherwise.
    pub(super) fn parse(
        name: &str,
        value: &str,
        mut push: impl FnMut(Test) -> Result<(), ConditionFault>,
    ) -> Result<(), ConditionFault> {
        let of_operators = members_of(value)
            .is_some_and(|mut members| members.any(|(name, _)| name.decode().starts_with('$')));
        if !of_operators {
            return push(Test { operator: Operator::Equal, operands: vec![operand(value)?] });
        }
        for (word, operand) in members_of(value).into_iter().flatten() {
            let word = word.decode();
            let operator = Operator::parse(&word).ok_or_else(|| ConditionFault::UnknownOperator {
                field: echo(name),
                operator: echo(&word),
            })?;
            push(Test { operator, operands: operands(operator, name, operand)? })?;
        }
        Ok(())
    }

    /// Whether the value with these canonical bytes passes.
    pub(super) fn holds(&self, fact: &[u8]) -> bool {
        let any_equal = || self.operands.iter().any(|operand| **operand == *fact);
        let ordered = |operand: &[u8]| comparable(fact, operand).then(|| fact.cmp(operand));
        let order = self.operands.first().and_then(|operand| ordered(operand));
        match self.operator {
            Operator::Equal | Operator::In => any_equal(),
            Operator::NotEqual | Operator::NotIn => !any_equal(),
            Operator::Less => order.is_some_and(|order| order.is_lt()),
            Operator::LessOrEqual => order.is_some_and(|order| order.is_le()),
            Operator::Greater => order.is_some_and(|order| order.is_gt()),
            Operator::GreaterOrEqual => order.is_some_and(|order| order.is_ge()),
        }
    }
}

/// Only two numbers and two strings have an order.
fn comparable(left: &[u8], right: &[u8]) -> bool {
    left.first() == right.first() && matches!(left.first(), Some(&(NUMBER | STRING)))
}

fn operands(operator: Operator, name: &str, text: &str) -> Result<Vec<Box<[u8]>>, ConditionFault> {
    if !matches!(operator, Operator::In | Operator::NotIn) {
        return Ok(vec![operand(text)?]);
    }
    let choices = elements_of(text).ok_or_else(|| ConditionFault::NotAnArray(echo(name)))?;
    let mut operands = Vec::new();
    for choice in choices {
        if operands.len() == CONDITION_CHOICES_MAX {
            return Err(ConditionFault::TooManyChoices(echo(name)));
        }
        operands.push(operand(choice)?);
    }
    Ok(operands)
}

fn operand(text: &str) -> Result<Box<[u8]>, ConditionFault> {
    let mut bytes = Vec::new();
    canonical(text, &mut bytes)?;
    Ok(bytes.into())
}
