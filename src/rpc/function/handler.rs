//! Rust closures and async functions as functions of the node: typed arguments in, JSON text out.

use std::future::Future;
use std::pin::Pin;

use mpreg_storage::json::{self, Reader};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::failure::Failure;
use super::types::TypeSpec;

/// What an async handler returns: the result as JSON text.
pub type Running = Pin<Box<dyn Future<Output = Result<String, Failure>> + Send>>;

/// A value a function may return: anything that serialises, or a `Result` of it with a [`Failure`].
///
/// `Mark` only keeps the two apart for the compiler.
pub trait Outcome<Mark> {
    /// The result as JSON text.
    fn into_text(self) -> Result<String, Failure>;
    /// Its type as it is described.
    fn type_spec() -> TypeSpec;
}

/// Marks a function that cannot fail.
#[derive(Debug)]
pub struct Plain;

/// Marks a function that returns a `Result`.
#[derive(Debug)]
pub struct Fallible;

impl<T: Serialize> Outcome<Plain> for T {
    fn into_text(self) -> Result<String, Failure> {
        let text = serde_json::to_string(&self)
            .map_err(|error| Failure::value(format!("the result has no JSON form: {error}")))?;
        // Clients read 64-bit integers and a bounded depth; what they could not read never leaves.
        json::validate(text.as_bytes()).map_err(|error| Failure::value(format!("the result: {error}")))?;
        Ok(text)
    }

    fn type_spec() -> TypeSpec {
        TypeSpec::of::<T>()
    }
}

impl<T: Serialize> Outcome<Fallible> for Result<T, Failure> {
    fn into_text(self) -> Result<String, Failure> {
        Outcome::<Plain>::into_text(self?)
    }

    fn type_spec() -> TypeSpec {
        TypeSpec::of::<T>()
    }
}

/// A closure with up to eight arguments that serde can read. Implemented for all of them.
pub trait Handler<Arguments, Mark>: Send + Sync + 'static {
    /// Types of the parameters.
    fn parameters() -> Vec<TypeSpec>;
    /// Type of the result.
    fn returns() -> TypeSpec;
    /// Runs it.
    fn call(&self, arguments: &Bound<'_>) -> Result<String, Failure>;
}

/// The same for closures that return a future, and for `async fn`.
pub trait AsyncHandler<Arguments, Mark>: Send + Sync + 'static {
    /// Types of the parameters.
    fn parameters() -> Vec<TypeSpec>;
    /// Type of the result.
    fn returns() -> TypeSpec;
    /// Reads the arguments and begins to run.
    fn call(&self, arguments: &Bound<'_>) -> Result<Running, Failure>;
}

macro_rules! handlers {
    ($($argument:ident),*) => {
        impl<F, R, Mark, $($argument),*> Handler<($($argument,)*), Mark> for F
        where
            F: Fn($($argument),*) -> R + Send + Sync + 'static,
            R: Outcome<Mark>,
            $($argument: DeserializeOwned,)*
        {
            fn parameters() -> Vec<TypeSpec> {
                vec![$(TypeSpec::of::<$argument>()),*]
            }

            fn returns() -> TypeSpec {
                R::type_spec()
            }

            fn call(&self, arguments: &Bound<'_>) -> Result<String, Failure> {
                let mut places = 0..;
                self($(arguments.read::<$argument>(&mut places)?),*).into_text()
            }
        }

        impl<F, Made, R, Mark, $($argument),*> AsyncHandler<($($argument,)*), Mark> for F
        where
            F: Fn($($argument),*) -> Made + Send + Sync + 'static,
            Made: Future<Output = R> + Send + 'static,
            R: Outcome<Mark>,
            $($argument: DeserializeOwned,)*
        {
            fn parameters() -> Vec<TypeSpec> {
                vec![$(TypeSpec::of::<$argument>()),*]
            }

            fn returns() -> TypeSpec {
                R::type_spec()
            }

            fn call(&self, arguments: &Bound<'_>) -> Result<Running, Failure> {
                let mut places = 0..;
                let made = self($(arguments.read::<$argument>(&mut places)?),*);
                Ok(Box::pin(async move { made.await.into_text() }))
            }
        }
    };
}

#[allow(unused_variables, unused_mut, reason = "the one without arguments reads none")]
mod arities {
    use super::*;

    handlers!();
    handlers!(A);
    handlers!(A, B);
    handlers!(A, B, C);
    handlers!(A, B, C, D);
    handlers!(A, B, C, D, E);
    handlers!(A, B, C, D, E, G);
    handlers!(A, B, C, D, E, G, H);
    handlers!(A, B, C, D, E, G, H, I);
}

/// The arguments of a call, each at the place of its parameter.
#[derive(Debug)]
pub struct Bound<'a> {
    names: &'a [String],
    /// `None`: left out.
    values: Vec<Option<&'a str>>,
}

impl<'a> Bound<'a> {
    /// Puts positional and keyword arguments (validated JSON texts) to the parameters called `names`.
    pub(crate) fn new(
        fun: &str,
        names: &'a [String],
        args: &'a str,
        kwargs: &'a str,
    ) -> Result<Bound<'a>, Failure> {
        let mut values: Vec<Option<&str>> = Vec::with_capacity(names.len());
        let mut given = 0;
        each_element(args, |value| {
            given += 1;
            if given <= names.len() {
                values.push(Some(value));
            }
        })?;
        if given > names.len() {
            let takes = names.len();
            return Err(Failure::arguments(format!("{fun}() takes {takes} arguments, {given} were given")));
        }
        values.resize(names.len(), None);
        each_member(kwargs, |name, value| {
            let Some(place) = names.iter().position(|known| *known == name) else {
                let name = &name[..name.floor_char_boundary(64)];
                return Err(Failure::arguments(format!(
                    "{fun}() got an unexpected keyword argument '{name}'"
                )));
            };
            if values[place].replace(value).is_some() {
                return Err(Failure::arguments(format!("{fun}() got several values for argument '{name}'")));
            }
            Ok(())
        })?;
        Ok(Bound { names, values })
    }

    /// The text of an argument that must be there.
    pub(crate) fn text(&self, place: usize) -> Result<&'a str, Failure> {
        let name = self.names.get(place).map_or("?", String::as_str);
        self.values
            .get(place)
            .copied()
            .flatten()
            .ok_or_else(|| Failure::arguments(format!("missing argument '{name}'")))
    }

    /// Reads the next argument. One that was left out is read as null where its type has that.
    fn read<T: DeserializeOwned>(&self, places: &mut std::ops::RangeFrom<usize>) -> Result<T, Failure> {
        let place = places.start;
        places.start += 1;
        let name = || self.names.get(place).map_or("?", String::as_str);
        match self.values.get(place).copied().flatten() {
            Some(text) => serde_json::from_str(text)
                .map_err(|error| Failure::arguments(format!("argument '{}': {error}", name()))),
            None if TypeSpec::of::<T>().is_optional => serde_json::from_str("null")
                .map_err(|error| Failure::arguments(format!("argument '{}': {error}", name()))),
            None => Err(Failure::arguments(format!("missing argument '{}'", name()))),
        }
    }
}

fn each_element<'a>(args: &'a str, mut element: impl FnMut(&'a str)) -> Result<(), Failure> {
    let mut reader = Reader::new(args);
    let mut elements = reader.array("args")?;
    while elements.next(&mut reader)? {
        element(reader.raw()?);
    }
    Ok(())
}

fn each_member<'a>(
    kwargs: &'a str,
    mut member: impl FnMut(&str, &'a str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut reader = Reader::new(kwargs);
    let mut members = reader.object("kwargs")?;
    while let Some(name) = members.next(&mut reader)? {
        let value = reader.raw()?;
        member(&name.decode(), value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<A, M>(
        handler: impl Handler<A, M>,
        names: &[&str],
        args: &str,
        kwargs: &str,
    ) -> Result<String, String> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let bound = Bound::new("f", &names, args, kwargs);
        bound
            .and_then(|bound| handler.call(&bound))
            .map_err(|failure| failure.details().unwrap_or("").to_owned())
    }

    #[test]
    fn arguments_come_by_place_and_by_name() {
        let subtract = |a: i64, b: i64| a - b;
        assert_eq!(run(subtract, &["a", "b"], "[5,3]", "{}"), Ok("2".to_owned()));
        assert_eq!(run(subtract, &["a", "b"], "[5]", r#"{"b":3}"#), Ok("2".to_owned()));
        assert_eq!(run(subtract, &["a", "b"], "[]", r#"{"b":3,"a":5}"#), Ok("2".to_owned()));
        let greet = |name: String, title: Option<String>| format!("{}{name}", title.unwrap_or_default());
        assert_eq!(run(greet, &["name", "title"], r#"["Ada"]"#, "{}"), Ok("\"Ada\"".to_owned()));
        assert_eq!(run(|| (), &[], "[]", "{}"), Ok("null".to_owned()));
    }

    #[test]
    fn wrong_arguments_are_named() {
        let subtract = |a: i64, b: i64| a - b;
        let wrong = |args, kwargs| run(subtract, &["a", "b"], args, kwargs).unwrap_err();
        assert_eq!(wrong("[1,2,3]", "{}"), "TypeError: f() takes 2 arguments, 3 were given");
        assert_eq!(wrong("[1]", "{}"), "TypeError: missing argument 'b'");
        assert_eq!(wrong("[1,2]", r#"{"b":3}"#), "TypeError: f() got several values for argument 'b'");
        assert_eq!(wrong("[1]", r#"{"x":3}"#), "TypeError: f() got an unexpected keyword argument 'x'");
        assert!(wrong(r#"["x",1]"#, "{}").starts_with("TypeError: argument 'a': invalid type"));
        assert!(wrong("[1.5,1]", "{}").starts_with("TypeError: argument 'a'"), "1.5 is no integer");
    }

    #[test]
    fn results_and_failures() {
        let fail = |x: i64| -> Result<i64, Failure> {
            if x < 0 { Err(Failure::new("RangeError", "negative")) } else { Ok(x) }
        };
        assert_eq!(run(fail, &["x"], "[1]", "{}"), Ok("1".to_owned()));
        assert_eq!(run(fail, &["x"], "[-1]", "{}"), Err("RangeError: negative".to_owned()));
        let parse = |text: String| -> Result<i64, Failure> { Ok(text.parse()?) };
        assert!(run(parse, &["text"], r#"["x"]"#, "{}").unwrap_err().starts_with("ParseIntError"));
        assert!(run(|| u128::MAX, &[], "[]", "{}").unwrap_err().starts_with("ValueError: the result"));
        assert_eq!(run(|| 1.0, &[], "[]", "{}"), Ok("1.0".to_owned()), "a float stays one");
    }

    #[test]
    fn types_are_derived() {
        fn types<A, M, H: Handler<A, M>>(_: &H) -> (Vec<String>, String) {
            (H::parameters().into_iter().map(|spec| spec.display).collect(), H::returns().display)
        }
        let handler = |_: Vec<String>, _: Option<f64>| -> Result<bool, Failure> { Ok(true) };
        assert_eq!(
            types(&handler),
            (vec!["array[string]".to_owned(), "number".to_owned()], "boolean".to_owned())
        );
    }

    #[tokio::test]
    async fn futures_are_run() {
        async fn wait(a: i64) -> Result<i64, Failure> {
            tokio::task::yield_now().await;
            Ok(a + 1)
        }
        let names = ["a".to_owned()];
        let call = |args| AsyncHandler::call(&wait, &Bound::new("f", &names, args, "{}").unwrap());
        assert_eq!(call("[1]").unwrap_or_else(|_| panic!()).await, Ok("2".to_owned()));
        assert!(call("[]").is_err());
    }
}
