//! What holds for the topics of a node: which are not stored, and how safe a publish is that asks for nothing.

use super::pattern::Pattern;
use crate::protocol::pubsub::Level;

/// See the module.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Level of publishes that ask for none.
    level: Level,
    /// Topics that are never stored, whatever a publish asks for.
    volatile: Vec<Pattern>,
    /// Topics whose publishes are strong when they ask for nothing.
    strong: Vec<Pattern>,
}

impl Rules {
    pub(crate) fn new(strong: bool, volatile: Vec<Pattern>, strong_topics: Vec<Pattern>) -> Rules {
        Rules { level: if strong { Level::Strong } else { Level::Eventual }, volatile, strong: strong_topics }
    }

    /// The level of a publish. Cost: every pattern is tried.
    pub(crate) fn level(&self, topic: &str, asked: Option<Level>) -> Level {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(topic));
        if any(&self.volatile) {
            return Level::Volatile;
        }
        asked.unwrap_or_else(|| if any(&self.strong) { Level::Strong } else { self.level })
    }

    /// Whether what asks for nothing is strong.
    pub(crate) fn strong(&self) -> bool {
        self.level == Level::Strong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_decides_what_the_publisher_does_not() {
        let patterns = |text: &str| vec![Pattern::new(text, false).unwrap()];
        let rules = Rules::new(false, patterns("reply.#"), patterns("orders.#"));
        assert_eq!(rules.level("a", None), Level::Eventual);
        assert_eq!(rules.level("a", Some(Level::Strong)), Level::Strong);
        assert_eq!(rules.level("orders.1", None), Level::Strong);
        assert_eq!(rules.level("orders.1", Some(Level::Eventual)), Level::Eventual);
        assert_eq!(
            rules.level("reply.1", Some(Level::Strong)),
            Level::Volatile,
            "it has nowhere to be stored"
        );
    }
}
