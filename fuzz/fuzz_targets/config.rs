//! `privlink.toml`: any bytes give settings or findings that can be shown, and settings give a policy.

#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use privlink::desired::authority;
use privlink::desired::check;
use privlink::diagnostic::FileName;
use privlink::repo::settings;
use privlink_fuzz::can_be_shown;

fuzz_target!(|bytes: &[u8]| {
    let file = FileName::outside("privlink.toml");
    let (read, mut diagnostics, sources) = settings::read(file.clone(), bytes);
    assert_eq!(read.is_none(), diagnostics.has_errors(), "settings come without errors, and errors without settings");
    if let Some(settings) = &read {
        let mut branches = BTreeSet::new();
        for name in settings.environments.keys() {
            let policy = authority::policy(settings, name).expect("every environment has a policy");
            assert_eq!(&policy.mark.environment, name);
            assert!(branches.insert(policy.status.branch), "two environments never share a status branch");
        }
        let mut folders = settings.environments.values().map(|environment| &environment.path).collect::<Vec<_>>();
        folders.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        assert!(folders.windows(2).all(|pair| !pair[1].is_under(pair[0])), "folders of environments do not overlap");
        diagnostics.extend(check::unread_levels(settings, &file));
    }
    can_be_shown(&diagnostics, &sources);
    assert_eq!(settings::read(file, bytes).0, read, "the same bytes mean the same");
});
