import { render } from 'preact';
import './styles/base.css';
import { language } from './i18n';
import { HomePage } from './ui/home/HomePage';

document.documentElement.lang = language();
const app = document.querySelector('#app');
if (app) void show(app);

async function show(root: Element): Promise<void> {
  if (location.pathname.replace(/\/+$/, '') === '/call') {
    // WebRTC's libraries are for the call alone.
    const { CallPage } = await import('./ui/call/CallPage');
    render(<CallPage />, root);
  } else {
    render(<HomePage />, root);
  }
}
