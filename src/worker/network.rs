//! The network thread as the settings ask for it.

use crate::settings::Settings;
use pgrx::prelude::*;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What the network thread is to be told. The log says what of it can't be used; the requests that need it fail.
pub fn settings(settings: &Settings) -> sequin_net::Settings {
    let settings = sequin_net::Settings {
        allow_private_networks: settings.allow_private_networks,
        max_response_bytes: settings.max_response_bytes,
        max_memory: settings.max_memory,
        connect_timeout: CONNECT_TIMEOUT,
        proxy: settings.proxy.clone(),
        ca_file: settings.ca_file.clone(),
        ..sequin_net::Settings::default()
    };
    for unusable in settings.unusable() {
        warning!("sequin sends no requests that need it: {unusable}");
    }
    settings
}
