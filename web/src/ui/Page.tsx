import type { ComponentChildren } from 'preact';
import { t } from '../i18n';
import { Logo } from './icons';

/** The frame of every page outside a call. */
export function Page({
  aside,
  children,
}: {
  aside?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <div class="page">
      <header class="page-header">
        <a class="brand" href="/">
          <Logo />
          <span>{t('app')}</span>
        </a>
        {aside}
      </header>
      <main class="page-main">{children}</main>
      <footer class="page-footer">
        <a href="/docs">{t('footerDocs')}</a>
        <a href="/health">{t('footerHealth')}</a>
      </footer>
    </div>
  );
}
