//! What there is to call.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Command;
use crate::client::{Client, Error};

/// Which functions. The default is all.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FunctionFilter {
    /// This name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_name: Option<String>,
    /// Text in name, namespace, summary or id, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// This namespace and those below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// All of these tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// All of these resources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// These versions: `>=1.0.0,<2.0.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_constraint: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Value>,
    next_page_token: Option<String>,
}

impl Client {
    /// Functions with identity, summary, tags and resources, in the shape of the protocol's `RpcItem`. Asks page by page.
    pub async fn functions(&self, filter: &FunctionFilter) -> Result<Vec<Value>, Error> {
        self.all_pages("rpc_list", filter).await
    }

    /// The same with the whole description: parameters, results, documentation.
    pub async fn describe(&self, filter: &FunctionFilter) -> Result<Vec<Value>, Error> {
        self.all_pages("rpc_describe", filter).await
    }

    async fn all_pages(&self, fun: &str, filter: &FunctionFilter) -> Result<Vec<Value>, Error> {
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut command = Command::new(fun).arg(filter)?;
            if let Some(token) = &token {
                command = command.kwarg("page_token", token)?;
            }
            let page: Page = self.run_command(command).await?;
            found.extend(page.items);
            match page.next_page_token {
                None => return Ok(found),
                // A node that gives the same token again would keep us for ever.
                next if next == token => return Err(Error::decode("a page that names itself as the next")),
                next => token = next,
            }
        }
    }
}
