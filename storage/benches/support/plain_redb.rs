//! The yardstick "plain redb": one table of bytes, nothing around it.

use std::path::Path;

use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition};

use super::{Key, Value};

const ROWS: TableDefinition<'static, &'static [u8], &'static [u8]> = TableDefinition::new("rows");

pub struct PlainRedb {
    database: Database,
}

impl PlainRedb {
    /// `cache_bytes` `None` leaves redb its own default, 1 GiB.
    pub fn create(dir: &Path, cache_bytes: Option<usize>) -> PlainRedb {
        let mut builder = Database::builder();
        if let Some(cache_bytes) = cache_bytes {
            builder.set_cache_size(cache_bytes);
        }
        let database = builder.create(dir.join("plain.redb")).expect("a redb file opens");
        PlainRedb { database }
    }

    /// One transaction with these rows.
    pub fn commit<'r, V: AsRef<[u8]> + 'r>(
        &self,
        rows: impl IntoIterator<Item = &'r (Key, V)>,
        durability: Durability,
    ) {
        let mut transaction = self.database.begin_write().expect("redb begins");
        transaction.set_durability(durability).expect("durability is set before anything else");
        let mut table = transaction.open_table(ROWS).expect("the table opens");
        for (key, value) in rows {
            table.insert(&key[..], value.as_ref()).expect("redb inserts");
        }
        drop(table);
        transaction.commit().expect("redb commits");
    }

    /// One row in one transaction.
    pub fn put(&self, key: Key, value: Value, durability: Durability) {
        self.commit(&[(key, value)], durability);
    }

    /// A read transaction with its table, to be used for many reads.
    pub fn reader(&self) -> ReadOnlyTable<&'static [u8], &'static [u8]> {
        let transaction = self.database.begin_read().expect("redb begins");
        transaction.open_table(ROWS).expect("the table opens")
    }
}
