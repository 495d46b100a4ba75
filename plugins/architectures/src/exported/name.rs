//! Names of operations and modules.

use eigenscape_formats::pt2::Node;

/// The name of an operation without its overload: `aten.conv2d` for
/// `torch.ops.aten.conv2d.default`.
pub(super) fn operation(target: &str) -> &str {
    let is_operation = target.starts_with("torch.ops.");
    let name = target.strip_prefix("torch.ops.").or_else(|| target.strip_prefix("torch.")).unwrap_or(target);
    match name.rsplit_once('.') {
        Some((name, _)) if is_operation && name.contains('.') => name,
        _ => name,
    }
}

/// The full name of the module that an operation belongs to; empty for the network itself.
pub(super) fn module(node: &Node) -> String {
    // `KEY,PATH,CLASS` for each module, outermost first.
    let innermost = node.metadata.nn_module_stack.rsplit(';').next().unwrap_or_default();
    let path = innermost.split_once(',').and_then(|(_, rest)| Some(rest.rsplit_once(',')?.0));
    let path = path.unwrap_or_default();
    let path = path.strip_prefix("L['self']").unwrap_or(path).trim_start_matches('.');
    // Repeated calls of a module append `@NUMBER` to its path.
    let path = path.split_once('@').map_or(path, |(path, _)| path);
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    if path.starts_with("_empty_nn_module_stack") || !path.chars().all(is_name) {
        return String::new();
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_named_without_overloads() {
        assert_eq!(operation("torch.ops.aten.conv2d.default"), "aten.conv2d");
        assert_eq!(
            operation("torch.ops.higher_order.wrap_with_set_grad_enabled"),
            "higher_order.wrap_with_set_grad_enabled"
        );
        assert_eq!(operation("_operator.mul"), "_operator.mul");
        assert_eq!(operation("torch.sym_float"), "sym_float");
    }

    #[test]
    fn modules_are_the_innermost() {
        let of = |stack: &str| {
            let text = format!(
                r#"{{"target":"t","inputs":[],"outputs":[],"metadata":{{"nn_module_stack":"{stack}"}}}}"#
            );
            module(&serde_json::from_str(&text).unwrap())
        };
        assert_eq!(of("L__self__,,m.Net;L__self__a,a,m.A;L__self__a.b,a.b@1,m.B"), "a.b");
        assert_eq!(of("L__self__,,m.Net"), "");
        assert_eq!(of("L__self___fc,L['self'].fc,m.Linear"), "fc");
        assert_eq!(
            of("_empty_nn_module_stack_from_metadata_hook,_empty_nn_module_stack_from_metadata_hook,x"),
            ""
        );
        assert_eq!(of(""), "");
    }
}
