//! Pages of lists: `?limit=&after=` → `{data, has_more, next_cursor}`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::{ApiResult, Problem};
use crate::config::Web;

/// Which page.
#[derive(Debug, Default, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Items on the page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub after: Option<String>,
}

/// One page.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items, in a stable order.
    pub data: Vec<T>,
    /// Whether more follow.
    pub has_more: bool,
    /// What to send as `after` for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A page request after its limits were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Items on the page.
    pub limit: u32,
    /// Key of the last item of the page before; empty for the first page.
    pub after: Vec<u8>,
}

impl PageQuery {
    /// Checks the limit and reads the cursor.
    pub fn asked(&self, web: &Web) -> ApiResult<Asked> {
        let limit = self.limit.unwrap_or(web.page_default);
        if limit == 0 || limit > web.page_limit {
            let detail = format!("between 1 and {}", web.page_limit);
            return Err(Problem::bad_request("page.limit", "that many do not fit on a page")
                .field("/limit", "field.value", detail));
        }
        let after =
            URL_SAFE_NO_PAD.decode(self.after.as_deref().unwrap_or_default()).map_err(|_| {
                Problem::bad_request("page.cursor", "this is not a cursor of this list")
            })?;
        Ok(Asked { limit, after })
    }
}

impl Asked {
    /// Rows to read: one more than the page holds, to know whether more follow.
    pub fn rows(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The key of the last item as text, for lists ordered by a text; empty for the first page.
    pub fn after_text(&self) -> ApiResult<String> {
        String::from_utf8(self.after.clone())
            .map_err(|_| Problem::bad_request("page.cursor", "this is not a cursor of this list"))
    }

    /// Makes the page of the rows that were read, with the key each is ordered by.
    pub fn page<R, T, K: AsRef<[u8]>>(
        &self,
        mut rows: Vec<R>,
        key: impl Fn(&R) -> K,
        item: impl FnMut(R) -> T,
    ) -> Page<T> {
        let has_more = rows.len() > self.limit as usize;
        rows.truncate(self.limit as usize);
        let next_cursor =
            rows.last().filter(|_| has_more).map(|last| URL_SAFE_NO_PAD.encode(key(last)));
        Page { data: rows.into_iter().map(item).collect(), has_more, next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> Web {
        crate::config::load(None, [], &[]).expect("defaults load").web
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_repeat() {
        let all: Vec<u8> = (1..=7).collect();
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let asked = PageQuery { limit: Some(3), after }.asked(&web()).expect("a valid page");
            let from = asked.after.first().copied().unwrap_or(0);
            let rows: Vec<u8> =
                all.iter().copied().filter(|n| *n > from).take(asked.rows() as usize).collect();
            let page = asked.page(rows, |n| [*n], |n| n);
            assert_eq!(page.has_more, page.next_cursor.is_some());
            seen.extend(page.data);
            after = page.next_cursor;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn limits_and_cursors_are_checked() {
        let code = |limit, after: Option<&str>| {
            let query = PageQuery { limit, after: after.map(str::to_owned) };
            query.asked(&web()).map_err(|problem| problem.code())
        };
        assert_eq!(code(Some(0), None), Err("page.limit"));
        assert_eq!(code(Some(501), None), Err("page.limit"));
        assert_eq!(code(None, Some("no cursor!")), Err("page.cursor"));
        assert_eq!(code(None, None).map(|asked| asked.limit), Ok(50));
    }
}
