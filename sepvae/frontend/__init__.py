"""From waves to spectra and features and back; all spectra are (…, frames, bins)."""
